// What the sources say over time, seven dimensions against the sector, and who is around the firm.
import { $, get, number, page, percent, Refused, t, yuan } from "./ui.js";
import { colors, draw, lines, narrow, palette } from "./charts.js";

const [decision, { credit_file: file }] = await Promise.all([
  get(`/v1/decisions/${page.decision}`), get(`/v1/decisions/${page.decision}/request`),
]);

async function months() {
  const series = [
    ["invoices", "sales_yuan", t("开票销售", "invoiced sales"), yuan],
    ["tax", "tax_paid_yuan", t("纳税", "tax paid"), yuan],
    ["electricity", "kwh", t("用电", "electricity"), (value) => `${number(value)} kWh`],
    ["social_security", "insured_persons", t("参保人数", "insured staff"), number],
    ["bank", "inflow_yuan", t("银行流入", "money received"), yuan],
    ["customs", "exports_yuan", t("出口", "exports"), yuan],
    ["industrial_internet", "machine_hours", t("设备运行时长", "machine hours"), (value) => t(`${number(value)} 小时`, `${number(value)} h`)],
  ].filter(([source]) => file[source]?.months.length);
  const dashes = ["solid", "dot", "dash", "longdash", "dashdot", "longdashdot", "2px 6px"];
  await draw("#months", series.map(([source, field, name, said], at) => {
    const { months: x, [field]: values } = file[source];
    const recent = values.slice(-24), mean = recent.reduce((sum, value) => sum + value, 0) / recent.length || 1;
    return {
      type: "scatter", mode: "lines", x, y: values.map((value) => value / mean), name, customdata: values.map(said),
      line: { width: source === "invoices" ? 3.5 : 2, dash: dashes[at] }, hovertemplate: `%{x|%Y-%m} ${name} %{customdata}<extra></extra>`,
    };
  }), { showlegend: true, yaxis: { rangemode: "tozero", title: { text: t("相对均值", "times its mean") } }, xaxis: { type: "date" }, hovermode: "x" });
}

async function radar() {
  const own = decision.assessment.dimensions, names = Object.keys(own);
  let medians = null, sector = decision.portrait.sector;
  try { ({ medians } = await get("/v1/study")); } catch (error) { if (!(error instanceof Refused)) throw error; }
  const said = [...document.querySelectorAll("#dimensions th")].map((cell) => lines(cell.textContent, narrow() ? 10 : 20));
  const closed = (values) => [...values, values[0]];
  const c = colors(), middle = medians && (medians[sector] ?? medians.all);
  const traces = [{ type: "scatterpolar", r: closed(names.map((name) => own[name])), theta: closed(said), fill: "toself", name: t("这家企业", "this firm"), line: { color: c.accent, width: 3 } }];
  if (middle) traces.unshift({ type: "scatterpolar", r: closed(names.map((name) => middle[name])), theta: closed(said), name: t("行业中位数", "median of the sector"), line: { color: c.soft, dash: "dot" } });
  await draw("#radar", traces, {
    showlegend: true, legend: { orientation: "h", x: 0, y: -0.1, yanchor: "top" }, polar: { bgcolor: "rgba(0,0,0,0)", radialaxis: { gridcolor: c.line, tickfont: { size: 10 }, angle: 90, tickangle: 90 }, angularaxis: { gridcolor: c.line } }, margin: { l: 70, r: 70, t: 40, b: 20 },
  });
}

async function network() {
  const around = [], { invoices, registry, courts, credit_bureau: bureau } = file;
  const last = (values) => values?.at(-1) ?? 0;
  if (invoices) {
    if (invoices.top_buyer_share_12m != null) around.push([t("最大买家", "top buyer"), percent(invoices.top_buyer_share_12m, 0), invoices.top_buyer_share_12m, 0]);
    around.push([t("其他买家", "other buyers"), t(`${Math.max(0, last(invoices.buyers) - 1)} 家/月`, `${Math.max(0, last(invoices.buyers) - 1)} a month`), 1 - (invoices.top_buyer_share_12m ?? 0), 0]);
    if (invoices.top_supplier_share_12m != null) around.push([t("最大供应商", "top supplier"), percent(invoices.top_supplier_share_12m, 0), invoices.top_supplier_share_12m, 1]);
    around.push([t("其他供应商", "other suppliers"), t(`${Math.max(0, last(invoices.suppliers) - 1)} 家/月`, `${Math.max(0, last(invoices.suppliers) - 1)} a month`), 1 - (invoices.top_supplier_share_12m ?? 0), 1]);
  }
  if (registry) around.push([t("法定代表人", "legal representative"), percent(registry.legal_representative_share, 0), registry.legal_representative_share, 2]);
  if (bureau) {
    around.push([t("授信机构", "lenders"), t(`${bureau.lenders} 家，${yuan(last(bureau.debt_yuan))}`, `${bureau.lenders}, ${yuan(last(bureau.debt_yuan))}`), Math.min(1, bureau.lenders / 5), 3]);
    around.push([t("对外担保", "guarantees given"), yuan(bureau.guarantees_yuan), bureau.guarantees_yuan > 0 ? 0.5 : 0.05, 4]);
  }
  if (courts) around.push([t("诉讼与执行", "suits and enforcement"), number(courts.suits.length + courts.enforcements.length), Math.min(1, (courts.suits.length + courts.enforcements.length) / 3), 5]);
  const c = colors(), shades = palette();
  const at = around.map((_, i) => 2 * Math.PI * i / around.length + Math.PI / 2);
  await draw("#network", [
    ...around.map(([, , weight], i) => ({ type: "scatter", mode: "lines", x: [0, Math.cos(at[i])], y: [0, Math.sin(at[i])], line: { color: c.line, width: 1.5 + 7 * weight }, hoverinfo: "skip" })),
    { type: "scatter", mode: "markers+text", x: at.map(Math.cos), y: at.map(Math.sin), text: around.map(([name, said]) => `${lines(name, narrow() ? 12 : 24)}<br>${said}`),
      textposition: at.map((angle) => Math.sin(angle) > 0.2 ? "top center" : "bottom center"), marker: { size: around.map(([, , weight]) => 14 + 26 * Math.sqrt(weight)), color: around.map(([, , , kind]) => shades[kind]) }, cliponaxis: false, hovertemplate: "%{text}<extra></extra>" },
    { type: "scatter", mode: "markers", x: [0], y: [0], marker: { size: 34, color: c.ink }, hovertemplate: t("这家企业", "this firm") + "<extra></extra>" },
  ], { xaxis: { visible: false, range: [-1.75, 1.75] }, yaxis: { visible: false, range: [-1.5, 1.55] } });
}

$("#filter").addEventListener("input", (event) => {
  const asked = event.target.value.trim().toLowerCase();
  for (const row of document.querySelectorAll("#provenance tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(asked);
});
await Promise.all([months(), radar(), network()]);
