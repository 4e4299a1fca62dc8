// Every move is a real decision, not recorded; the way to yes is played step by step.
import { $, el, get, label, lang, micro, number, page, percent, post, say, sources, t, trying, verdicts, yuan } from "./ui.js";
import { waterfall } from "./charts.js";
import { labels } from "./labels.js";

const [start, names] = await Promise.all([get(`/v1/decisions/${page.decision}/request`), labels()]);
let now = structuredClone(start), busy = false, again = false;

const last = (values) => values.length - 1;
const open = (list) => list.filter((one) => !one.closed);
// What can be moved: name, where it stands in the request, how far.
const SLIDERS = [
  [t("申请金额", "amount asked for"), yuan, (r) => r.application.amount_yuan, (r, v) => { r.application.amount_yuan = v; }, (v) => [Math.min(10000, v), v * 2, 1000]],
  [t("期限", "tenor"), (v) => t(`${v} 个月`, `${v} months`), (r) => r.application.tenor_months, (r, v) => { r.application.tenor_months = v; }, () => [3, 36, 1]],
  [t("欠税", "tax arrears"), yuan, (r) => r.credit_file.tax?.arrears_yuan, (r, v) => { r.credit_file.tax.arrears_yuan = v; }, (v) => [0, Math.max(100000, v * 2), 100]],
  [t("最大买家占比", "top buyer's share"), (v) => percent(v, 0), (r) => r.credit_file.invoices?.top_buyer_share_12m, (r, v) => { r.credit_file.invoices.top_buyer_share_12m = v; }, () => [0, 1, 0.01]],
  [t("社保欠缴月数", "months of unpaid social security"), number, (r) => r.credit_file.social_security?.arrears_months, (r, v) => { r.credit_file.social_security.arrears_months = v; }, () => [0, 12, 1]],
  [t("欠缴电费", "overdue electricity"), yuan, (r) => r.credit_file.electricity?.overdue_yuan, (r, v) => { r.credit_file.electricity.overdue_yuan = v; }, (v) => [0, Math.max(50000, v * 2), 100]],
  [t("现有融资", "debt now"), yuan, (r) => r.credit_file.credit_bureau?.debt_yuan.at(-1), (r, v) => { const d = r.credit_file.credit_bureau.debt_yuan; d[last(d)] = v; }, (v) => [0, Math.max(1000000, v * 2), 1000]],
  [t("未结被执行金额", "open enforcement"), yuan, (r) => r.credit_file.courts && open(r.credit_file.courts.enforcements).reduce((sum, one) => sum + one.amount_yuan, 0), (r, v) => {
    const { courts } = r.credit_file, cases = courts.enforcements.filter((one) => one.closed);
    courts.enforcements = v > 0 ? [...cases, { filed: open(courts.enforcements)[0]?.filed ?? courts.as_of, amount_yuan: v, closed: null }] : cases;
  }, (v) => [0, Math.max(1000000, v * 2), 1000]],
];
const LISTED = (r) => r.credit_file.courts?.dishonest_listings.some((one) => !one.removed);

async function decide() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    do {
      again = false;
      const begun = performance.now();
      const decision = await post("/v1/previews", now);
      show(decision, performance.now() - begun);
    } while (again);
  } finally { busy = false; }
}
const move = trying(decide);

function show(decision, ms) {
  const verdict = $("#verdict");
  verdict.className = `verdict ${decision.verdict}`;
  verdict.textContent = verdicts[decision.verdict];
  $("#limit").textContent = yuan(decision.limit_yuan);
  $("#rate").textContent = decision.offers[0] ? percent(decision.offers[0].annual_rate, 2) : "–";
  $("#score").textContent = `${decision.assessment.score} ${decision.assessment.grade}`;
  $("#products").textContent = `${decision.eligible_products} / 146`;
  $("#cap").textContent = decision.reasons[0]?.[`text_${lang}`] ?? "";
  $("#trip").textContent = t(`往返 ${ms.toFixed(0)} 毫秒，引擎 ${micro(decision.timings_us.engine)}`, `round trip ${ms.toFixed(0)} ms, engine ${micro(decision.timings_us.engine)}`);
  document.body.dataset.trip = ms.toFixed(1);
  waterfall("#waterfall", decision.assessment, names, 8, 22);
}

function controls() {
  const bars = SLIDERS.map(([name, said, read, write, range], at) => {
    const value = read(now);
    if (value == null) return null;
    const [least, most, step] = range(read(start) ?? value), out = el("output", {}, said(value));
    return el("label", { class: "slider" }, name, out, el("input", {
      type: "range", min: least, max: most, step, value, id: `slide-${at}`,
      oninput: (event) => { const moved = Number(event.target.value); out.textContent = said(moved); write(now, moved); move(); },
    }));
  });
  if (LISTED(start) || LISTED(now)) bars.push(el("label", { class: "consent" }, el("input", {
    type: "checkbox", checked: LISTED(now), onchange: (event) => {
      now.credit_file.courts.dishonest_listings = structuredClone(start.credit_file.courts.dishonest_listings)
        .map((one) => event.target.checked ? one : { ...one, removed: one.removed ?? now.credit_file.courts.as_of });
      move();
    } }), el("span", {}, t("列入失信名单", "on the dishonest-debtor list"))));
  $("#sliders").replaceChildren(...bars.filter(Boolean));
  const answered = Object.keys(sources).filter((source) => start.credit_file[source]);
  $("#switches").replaceChildren(...answered.map((source) => el("label", { class: "consent" }, el("input", {
    type: "checkbox", checked: now.credit_file[source] != null, value: source, onchange: (event) => {
      if (event.target.checked) now.credit_file[source] = structuredClone(start.credit_file[source]);
      else delete now.credit_file[source];
      controls();
      move();
    } }), el("span", {}, sources[source]))));
}

const way = trying(async () => {
  const found = await post("/v1/recourse", now), list = $("#ways");
  if (!found.suggestions.length) {
    list.replaceChildren(el("li", {}, found.verdict === "approve" ? t("已全额批准，无须改变。", "Approved in full; nothing needs to change.") : t("企业自己能改变的都试过了，仍无通往批准的路。", "Everything the firm could change was tried; none of it leads to yes.")));
    return;
  }
  list.replaceChildren(...found.suggestions.map((one) => el("li", {},
    el("strong", {}, one.changes.map((change) => label(change, "text")).join(t("；", "; "))),
    el("small", {}, t(` ${one.days} 天，支付 ${yuan(one.pay_yuan)}，之后批准 ${yuan(one.limit_yuan)} `, ` ${one.days} days, ${yuan(one.pay_yuan)} to pay, then approved for ${yuan(one.limit_yuan)} `)),
    el("button", { type: "button", class: "button quiet", onclick: () => { now = structuredClone(one.request); controls(); move(); say(t("已照此修改并重新决策", "Changed so, and decided again")); } }, t("照做", "Do it")))));
});

$("#reset").addEventListener("click", () => { now = structuredClone(start); controls(); $("#ways").replaceChildren(); move(); });
$("#way").addEventListener("click", way);
controls();
move();
