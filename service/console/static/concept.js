// The value of each source, the legacy policy and ours, the frontier, and the running totals.
import { $, el, figures, get, number, percent, Refused, rows, sources, t, yuan } from "./ui.js";
import { colors, draw } from "./charts.js";

const lent = (one) => [percent(one.approved_share), percent(one.default_rate, 2), number(one.first_time), yuan(one.yuan)];

async function totals() {
  const found = await get("/v1/totals");
  const shown = [
    [t("机构", "institutions"), number(found.institutions)], [t("产品", "products"), number(found.products)],
    [t("决策", "decisions"), number(found.decisions)], [t("批准", "approved"), number(found.approved)],
    [t("批准额度", "yuan approved"), yuan(found.approved_yuan)],
    [t("平均引擎耗时", "mean engine time"), found.decisions ? `${(found.engine_us / found.decisions / 1000).toFixed(2)} ms` : "–"],
  ];
  $("#totals").replaceChildren(...shown.map(([name, value]) => el("div", {}, el("b", {}, value), name)));
}

async function ladder(study) {
  const steps = study.ladder.map((rung, at) => `${at ? "+ " : ""}${rung.added.map((source) => sources[source]).join(t("、", ", "))}`);
  // under the bars there is room for two names
  const brief = study.ladder.map((rung, at) => [...rung.added.slice(0, 2).map((source, nth) => `${at && !nth ? "+ " : ""}${sources[source]}`), ...(rung.added.length > 2 ? [t(`另${rung.added.length - 2}项`, `and ${rung.added.length - 2} more`)] : [])].join("<br>"));
  const c = colors();
  await draw("#ladder", [
    { type: "bar", x: brief, y: study.ladder.map((rung) => rung.at_equal_risk.approved_share), marker: { color: c.accent }, name: t("同等违约率下的批准率", "approved at equal default rate"), text: study.ladder.map((rung) => percent(rung.at_equal_risk.approved_share, 0)), textposition: "outside", cliponaxis: false, hovertemplate: "%{text}<extra></extra>" },
    { type: "scatter", mode: "lines+markers+text", x: brief, y: study.ladder.map((rung) => rung.auc), yaxis: "y2", name: "AUC", line: { color: c.gold, width: 3 }, marker: { size: 9 }, text: study.ladder.map((rung) => rung.auc.toFixed(3)), textposition: "top center", textfont: { color: c.gold }, cliponaxis: false, hovertemplate: "AUC %{y:.3f}<extra></extra>" },
  ], { showlegend: true, xaxis: { tickangle: 0, tickfont: { size: 11 } }, yaxis: { tickformat: ".0%", range: [0, 1] }, yaxis2: { overlaying: "y", side: "right", range: [0, 1], showgrid: false } });
  rows($("#ladder-table"), [[t("来源", "sources")], ["AUC", "number"], [t("批准率", "approved"), "number"], [t("违约率", "default rate"), "number"], [t("首贷户", "first-time borrowers"), "number"], [t("放款", "yuan lent"), "number"]],
    study.ladder.map((rung, at) => ({ cells: [steps[at], rung.auc.toFixed(3), ...lent(rung.at_equal_risk)] })));
}

function legacy(study) {
  rows($("#legacy"), [[t("谁来决定", "who decides")], [t("批准率", "approved"), "number"], [t("批准者违约率（真相）", "of them default, in the truth"), "number"], [t("首贷户", "first-time borrowers"), "number"], [t("放款", "yuan lent"), "number"]], [
    { cells: [t("旧政策（抵押与规模的粗规则）", "the legacy policy (crude rules)"), ...lent(study.legacy)] },
    { cells: [t("我们：政策、评分、额度、产品", "ours: policy, score, limit, products"), ...lent(study.ours)], kind: "wins" },
    { cells: [t("只看评分，批准同样多", "the score alone, as many approvals"), ...lent(study.at_equal_approval)] },
    { cells: [t("只看评分，违约率相同", "the score alone, the same default rate"), ...lent(study.at_equal_risk)] },
  ]);
  const { legacy: was, at_equal_approval: now } = study;
  $("#legacy-said").textContent = t(
    `批准同样多的企业，违约率从 ${percent(was.default_rate, 2)} 变为 ${percent(now.default_rate, 2)}；首贷户从 ${number(was.first_time)} 变为 ${number(now.first_time)}。`,
    `With as many approvals the default rate goes from ${percent(was.default_rate, 2)} to ${percent(now.default_rate, 2)}, and first-time borrowers from ${number(was.first_time)} to ${number(now.first_time)}.`);
}

async function frontier(study) {
  const cuts = study.frontier, slider = $("#cut"), c = colors();
  slider.max = cuts.length - 1;
  slider.value = Math.max(0, cuts.findIndex((cut) => cut.pd_12m >= 0.03));
  const show = async () => {
    const cut = cuts[slider.value];
    $("#cut-said").textContent = percent(cut.pd_12m, 2);
    slider.setAttribute("aria-valuetext", percent(cut.pd_12m, 2));
    figures($("#at-cut"), [[t("批准率", "approved"), percent(cut.lent.approved_share)], [t("违约率", "default rate"), percent(cut.lent.default_rate, 2)], [t("首贷户", "first-time borrowers"), number(cut.lent.first_time)], [t("放款", "yuan lent"), yuan(cut.lent.yuan)]]);
    await draw("#frontier", [
      { type: "scatter", mode: "lines", x: cuts.map((one) => one.lent.approved_share), y: cuts.map((one) => one.lent.default_rate), line: { color: c.accent, width: 3 }, name: t("评分卡", "the scorecard"), hovertemplate: "%{x:.1%} → %{y:.2%}<extra></extra>" },
      { type: "scatter", mode: "markers+text", x: [study.legacy.approved_share], y: [study.legacy.default_rate], marker: { size: 13, color: c.decline, symbol: "x" }, text: [t("旧政策", "legacy policy")], textposition: "top center", name: t("旧政策", "legacy"), hoverinfo: "skip" },
      { type: "scatter", mode: "markers+text", x: [study.ours.approved_share], y: [study.ours.default_rate], marker: { size: 13, color: c.gold, symbol: "diamond" }, text: [t("我们的完整决策", "our whole decision")], textposition: "top center", name: t("我们", "ours"), hoverinfo: "skip" },
      { type: "scatter", mode: "markers", x: [cut.lent.approved_share], y: [cut.lent.default_rate], marker: { size: 17, color: c.accent, line: { color: c.panel, width: 3 } }, name: t("批准线", "cut-off"), hoverinfo: "skip" },
    ], { xaxis: { tickformat: ".0%", title: { text: t("批准率", "approved") }, range: [0, 1.02] }, yaxis: { tickformat: ".0%", title: { text: t("批准者的违约率", "default rate of the approved") }, rangemode: "tozero" } });
  };
  slider.addEventListener("input", show);
  await show();
}

const counting = totals();
try {
  const study = await get("/v1/study");
  $("#measured").textContent += t(`${study.since} 至 ${study.until} 的 ${number(study.applications)} 笔申请，其中 ${percent(study.default_rate)} 在 12 个月内违约。`, `${number(study.applications)} applications from ${study.since} to ${study.until}, of which ${percent(study.default_rate)} default within 12 months.`);
  legacy(study);
  await Promise.all([ladder(study), frontier(study)]);
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  $("#measured").textContent = error.message;
}
await counting;
setInterval(() => document.hidden || totals(), 5000);
