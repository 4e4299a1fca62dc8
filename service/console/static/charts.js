// Charts by plotly, loaded after the page is painted and kept from breaking the content policy.
import { page, t } from "./ui.js";

let loading;
function library() {
  loading ??= new Promise((resolve, reject) => {
    // The policy forbids style attributes and style text; the same set by script is allowed.
    const set = Element.prototype.setAttribute;
    Element.prototype.setAttribute = function (name, value) {
      if (name === "style") this.style.cssText = value;
      else set.call(this, name, value);
    };
    // The bundle brings the style of maps, which no page draws.
    Object.defineProperty(HTMLStyleElement.prototype, "textContent", { configurable: true, set() {} });
    const script = document.createElement("script");
    script.src = `${page.assets}/plotly.min.js`;
    script.onload = () => {
      delete HTMLStyleElement.prototype.textContent;
      resolve(window.Plotly);
    };
    script.onerror = () => reject(new TypeError("charts"));
    document.head.append(script);
  });
  return loading;
}

export const narrow = () => innerWidth < 700;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const colors = () => ({
  ink: css("ink"), soft: css("soft"), line: css("line"), accent: css("accent"), gold: css("gold"),
  approve: css("approve"), refer: css("refer"), decline: css("decline"), panel: css("panel"),
});
export const palette = () => document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches)
  ? ["#5cc2b6", "#e8b04b", "#8fb3ff", "#f08a86", "#c9a6ff", "#9ad27a", "#a5b1b8"]
  : ["#0d5c56", "#b3741a", "#2f5fb3", "#a3262a", "#6b48a8", "#3f7d20", "#55616c"];

export async function draw(where, traces, layout = {}) {
  const node = typeof where === "string" ? document.querySelector(where) : where;
  const c = colors();
  const axis = { gridcolor: c.line, zerolinecolor: c.line, linecolor: c.line, automargin: true, fixedrange: true };
  const full = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", colorway: palette(),
    font: { family: getComputedStyle(document.body).fontFamily, color: c.ink, size: narrow() ? 11 : 13 },
    margin: { l: 12, r: 14, t: 12, b: 12 }, showlegend: false, hoverlabel: { font: { family: "inherit" } },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, dragmode: false, separators: ".,", ...layout,
  };
  for (const name of ["xaxis", "yaxis", "xaxis2", "yaxis2"]) {
    if (name.length === 5 || layout[name]) full[name] = { ...axis, ...layout[name] };
  }
  const plotly = await library();
  await plotly.react(node, traces, full, { displayModeBar: false, responsive: true });
  node.dataset.drawn = String(Number(node.dataset.drawn ?? 0) + 1);
}

// A label over several lines, so that it leaves room for what it names.
export function lines(text, most) {
  const cut = /[\u3400-\u9fff]/u.test(text) ? new RegExp(`.{1,${most >> 1}}`, "gu") : /\S+/g;
  const pieces = (text.includes(" ") ? text.split(" ") : text.match(cut)) ?? [text];
  const joint = text.includes(" ") ? " " : "", made = [pieces[0]];
  for (const piece of pieces.slice(1)) {
    if (joint && made.at(-1).length + piece.length < most) made[made.length - 1] += joint + piece;
    else made.push(piece);
  }
  return made.join("<br>");
}

// A label over two lines at most, of some width or more.
const twoLines = (text, least) => lines(text, Math.max(least, /[\u3400-\u9fff]/u.test(text) ? text.length + 2 : text.length / 2 + 5));

// From the average firm's score to this one's; what moves little is one bar.
export async function waterfall(where, assessment, labels, most = 12, wide = 28) {
  const moved = Object.entries(assessment.contributions).filter(([, points]) => Math.abs(points) >= 0.05)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const shown = moved.slice(0, most);
  const rest = moved.slice(most).reduce((sum, [, points]) => sum + points, 0);
  const room_for = narrow() ? 20 : wide;
  const names = [t("平均企业", "average firm"), ...shown.map(([name]) => twoLines(labels[name] ?? name, room_for))];
  const values = [assessment.reference_score, ...shown.map(([, points]) => points)];
  const measure = ["absolute", ...shown.map(() => "relative")];
  if (Math.abs(rest) >= 0.05) { names.push(t("其余特征", "all others")); values.push(rest); measure.push("relative"); }
  names.push(t("这家企业", "this firm")); values.push(assessment.score); measure.push("total");
  const c = colors();
  const ends = [assessment.reference_score];
  for (const value of values.slice(1, -1)) ends.push(ends.at(-1) + value);
  const low = Math.min(...ends, assessment.score), high = Math.max(...ends, assessment.score), room = (high - low) * 0.15 + 4;
  await draw(where, [{
    type: "waterfall", orientation: "h", y: names, x: values, measure, base: 0,
    text: values.map((value, at) => measure[at] === "relative" ? `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(1)}` : value.toFixed(0)),
    textposition: "outside", cliponaxis: false, connector: { line: { color: c.line } },
    increasing: { marker: { color: c.approve } }, decreasing: { marker: { color: c.decline } }, totals: { marker: { color: c.accent } },
    hovertemplate: "%{y}: %{text}<extra></extra>",
  }], { height: 40 + names.length * (names.some((name) => name.includes("<br>")) ? 38 : 27), yaxis: { autorange: "reversed" }, xaxis: { range: [low - room, high + room] }, margin: { l: 12, r: 30, t: 4, b: 12 } });
}
