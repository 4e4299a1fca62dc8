// Scorecard, report, champion and challenger, monitoring, policy and its linter.
import { $, el, get, label, number, percent, Refused, rows, t } from "./ui.js";
import { colors, draw } from "./charts.js";

const { scorecard, card } = await get("/v1/scorecard");
const pointsPerLogit = scorecard.scale.doubling_points / Math.LN2;

function steps(column) {
  const points = (logit) => pointsPerLogit * (column.reference - logit);
  const cut = (value) => number(Number(value.toPrecision(4)));
  const names = column.kind === "number"
    ? column.contributions.map((_, at) => !column.cuts.length ? t("任意值", "any value") : at === 0 ? `≤ ${cut(column.cuts[0])}` : at === column.cuts.length ? `> ${cut(column.cuts.at(-1))}` : `${cut(column.cuts[at - 1])} – ${cut(column.cuts[at])}`)
    : column.categories;
  return [...names.map((name, at) => [name, points(column.contributions[at])]), [t("无数据", "no data"), points(column.missing)]];
}

async function shape() {
  const column = scorecard.columns[$("#column").value], found = steps(column), c = colors();
  await draw("#shape", [{ type: "bar", x: found.map(([name]) => name), y: found.map(([, points]) => points), marker: { color: found.map(([, points], at) => at === found.length - 1 ? c.soft : points >= 0 ? c.approve : c.decline) }, hovertemplate: "%{x}: %{y:+.1f}<extra></extra>" }],
    { xaxis: { type: "category" }, yaxis: { title: { text: t("分", "points") } } });
  const way = { 1: t("越高越险（单调）", "higher is riskier, monotone"), "-1": t("越高越稳（单调）", "higher is safer, monotone"), 0: t("由数据决定", "left to the data") }[column.direction];
  rows($("#steps"), [[`${label(column, "label")}（${column.unit}）· ${way}`], [t("分", "points"), "number"]], found.map(([name, points]) => ({ cells: [name, points.toFixed(1)] })));
}

function about() {
  const { loans, metrics } = card;
  $("#about").textContent = t(
    `${scorecard.columns.length} 个特征的阶梯函数之和，用 ${number(loans.train)} 笔较早贷款拟合，在 ${loans.held_out_from} 起的 ${number(loans.held_out)} 笔上检验：AUC ${metrics.held_out.auc.toFixed(3)}，KS ${metrics.held_out.ks.toFixed(3)}，真相本身为 ${metrics.held_out.truth_auc?.toFixed(3) ?? "–"}。`,
    `A sum of step functions over ${scorecard.columns.length} features, fitted on ${number(loans.train)} earlier loans and measured on ${number(loans.held_out)} from ${loans.held_out_from} on: AUC ${metrics.held_out.auc.toFixed(3)}, KS ${metrics.held_out.ks.toFixed(3)}; the truth itself reaches ${metrics.held_out.truth_auc?.toFixed(3) ?? "–"}.`);
  rows($("#metrics"), [[""], [t("建模", "fitted"), "number"], [t("检验", "held out"), "number"]], [["AUC", "auc", 3], ["KS", "ks", 3], ["Brier", "brier", 4], [t("平均预测", "mean expected"), "mean_pd_12m", 4], [t("实际违约率", "observed"), "default_rate", 4]]
    .map(([name, key, digits]) => ({ cells: [name, metrics.train[key].toFixed(digits), metrics.held_out[key].toFixed(digits)] })));
}

async function calibration() {
  const bins = card.metrics.held_out.calibration, c = colors();
  const most = Math.max(...bins.map((bin) => Math.max(bin.expected, bin.observed_high))) * 1.1;
  await draw("#calibration", [
    { type: "scatter", mode: "lines", x: [0, most], y: [0, most], line: { color: c.soft, dash: "dot" }, hoverinfo: "skip" },
    { type: "scatter", mode: "markers", x: bins.map((bin) => bin.expected), y: bins.map((bin) => bin.observed), marker: { size: 10, color: c.accent }, error_y: { type: "data", symmetric: false, array: bins.map((bin) => bin.observed_high - bin.observed), arrayminus: bins.map((bin) => bin.observed - bin.observed_low), color: c.accent }, hovertemplate: "%{x:.2%} → %{y:.2%}<extra></extra>" },
  ], { xaxis: { tickformat: ".0%", title: { text: t("预测", "expected") }, rangemode: "tozero" }, yaxis: { tickformat: ".0%", title: { text: t("实际（95 % 区间）", "observed, 95 % bounds") }, rangemode: "tozero" } });
}

async function monitoring() {
  let study;
  try { study = await get("/v1/study"); } catch (error) {
    if (!(error instanceof Refused)) throw error;
    rows($("#rivals"), [[error.message]], []);
    return;
  }
  const named = { scorecard: t("评分卡（现任）", "scorecard, champion"), boosting: t("梯度提升黑箱（挑战者）", "gradient boosting, challenger") };
  rows($("#rivals"), [[""], ["AUC", "number"], ["Brier", "number"]], study.rivals.map((one) => ({ cells: [named[one.name], one.auc.toFixed(3), one.brier.toFixed(4)] })));
  const c = colors(), x = study.vintages.map((one) => one.vintage), cut = { type: "line", x0: study.since, x1: study.since, yref: "paper", y0: 0, y1: 1, line: { color: c.soft, dash: "dot" } };
  await draw("#psi", [
    { type: "bar", x, y: study.vintages.map((one) => one.psi), name: "PSI", marker: { color: study.vintages.map((one) => one.psi > one.psi_by_chance ? c.refer : c.accent) }, hovertemplate: "%{x}: %{y:.4f}<extra></extra>" },
    { type: "scatter", mode: "lines", x, y: study.vintages.map((one) => one.psi_by_chance), name: t("偶然上界", "by chance"), line: { color: c.ink, dash: "dash" }, hovertemplate: "%{y:.4f}<extra></extra>" },
  ], { showlegend: true, shapes: [cut], xaxis: { type: "category" }, yaxis: { title: { text: "PSI" }, rangemode: "tozero" } });
  await draw("#vintages", [
    { type: "scatter", mode: "lines+markers", x, y: study.vintages.map((one) => one.approved_share), name: t("批准率", "approved"), line: { color: c.accent, width: 3 }, hovertemplate: "%{y:.1%}<extra></extra>" },
    { type: "scatter", mode: "lines+markers", x, y: study.vintages.map((one) => one.default_rate), yaxis: "y2", name: t("批准者违约率（右轴）", "of them default (right)"), line: { color: c.decline, width: 2, dash: "dot" }, hovertemplate: "%{y:.2%}<extra></extra>" },
  ], { showlegend: true, hovermode: "x", xaxis: { type: "category" }, yaxis: { tickformat: ".0%", rangemode: "tozero" }, yaxis2: { overlaying: "y", side: "right", tickformat: ".0%", rangemode: "tozero", showgrid: false } });
}

async function policy() {
  const found = await get("/v1/policy");
  $("#policy-version").textContent = found.version;
  $("#linter").replaceChildren(found.findings.length
    ? el("span", { class: "bad" }, t(`检查器发现 ${found.findings.length} 处：`, `The linter found ${found.findings.length}: `), found.findings.join("; "))
    : el("span", { class: "ok" }, t(`检查器：${found.rules.length} 条规则，没有发现问题。`, `The linter: ${found.rules.length} rules, nothing found.`)));
  rows($("#rules"), [[t("规则", "rule")], [t("含义", "meaning")], [t("条件", "condition")], [t("强制", "forces")], [t("缺数据时", "when missing")]], found.rules.map((rule) => ({ cells: [
    el("code", {}, rule.code), el("span", {}, rule[document.documentElement.lang.startsWith("zh") ? "zh" : "en"], el("small", {}, rule.why)), el("code", {}, rule.when), rule.verdict, rule.missing] })));
}
$("#filter").addEventListener("input", (event) => {
  const asked = event.target.value.trim().toLowerCase();
  for (const row of document.querySelectorAll("#rules tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(asked);
});
const order = scorecard.columns.map((column, at) => [at, Math.max(...column.contributions, column.missing) - Math.min(...column.contributions, column.missing)]).sort((a, b) => b[1] - a[1]);
$("#column").replaceChildren(...order.map(([at]) => el("option", { value: at }, label(scorecard.columns[at], "label"))));
$("#column").addEventListener("change", shape);
about();
await Promise.all([shape(), calibration(), policy(), monitoring()]);
