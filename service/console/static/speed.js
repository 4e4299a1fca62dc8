// The clocks of this server as they run, and a benchmark on request.
import { $, el, figures, get, micro, number, percent, post, rows, say, t, trying } from "./ui.js";
import { colors, draw } from "./charts.js";

async function clock(name, spread) {
  const c = colors(), { percentiles_us: p } = spread;
  $(`#${name}-count`).textContent = t(`最近 ${number(spread.count)} 次`, `latest ${number(spread.count)}`);
  figures($(`#${name}`), spread.count ? [...Object.entries(p).map(([which, us]) => [which, micro(us)]), ["max", micro(spread.max_us)]] : [[t("尚无决策", "no decision yet"), "–"]]);
  $(`#${name}-bars`).hidden = !spread.count;
  if (spread.count) await draw(`#${name}-bars`, [{
    type: "bar", x: spread.bars.map(([from, to]) => Math.sqrt(Math.max(from, 1) * to) / 1000), y: spread.bars.map(([, , count]) => count),
    width: spread.bars.map(([from, to]) => (to - Math.max(from, 1)) / 1000 * 0.92), marker: { color: name === "c3" ? c.accent : c.gold }, hovertemplate: "%{x:.3f} ms: %{y}<extra></extra>",
  }], { xaxis: { type: "log", title: { text: t("毫秒（对数）", "milliseconds (log)") } }, yaxis: { title: { text: t("次数", "decisions") }, rangemode: "tozero" } });
}

async function read() {
  const found = await get("/v1/clocks"), c = colors();
  await Promise.all([clock("c3", found.c3), clock("c2", found.c2), draw("#per-second", [{
    type: "scatter", mode: "lines", fill: "tozeroy", x: found.per_second.map((_, at) => at - found.per_second.length), y: found.per_second, line: { color: c.accent, shape: "hv" }, hovertemplate: "%{x} s: %{y}<extra></extra>",
  }], { xaxis: { title: { text: t("秒前", "seconds ago") } }, yaxis: { rangemode: "tozero" } })]);
}

function report(found) {
  const { figures: all, ratios, machine, method } = found;
  rows($("#figures"), [[t("时钟与内容", "clock and what")], [t("谁", "whose")], [t("每秒", "a second"), "number"], ["p50", "number"], ["p99", "number"], [t("相对基准", "beside the baseline"), "number"]],
    all.map((one) => ({ kind: one.side === "ours" ? "wins" : null, cells: [`${one.clock} ${one.name}`, one.side === "ours" ? t("我们", "ours") : t("基准", "baseline"), number(Math.round(one.per_s)), ...(one.latency ? ["p50_us", "p99_us"].map((name) => micro(one.latency[name])) : ["–", "–"]), one.ratio ? `${one.ratio.toFixed(one.ratio < 10 ? 1 : 0)} ×` : ""] })));
  $("#method").textContent = `${machine.cpu}, ${machine.cores} × CPU, ${machine.python}. ${method}`;
}

async function watch() {
  const state = await get("/v1/benchmarks"), button = $("#measure");
  button.disabled = Boolean(state.running);
  $("#state").textContent = state.running ? t(`测量中，${state.seconds.toFixed(0)} 秒`, `measuring, ${state.seconds.toFixed(0)} s`) : state.error ?? (state.report ? t(`完成，用时 ${state.seconds.toFixed(0)} 秒`, `done in ${state.seconds.toFixed(0)} s`) : "");
  if (state.report) report(state.report);
  if (state.running) setTimeout(trying(watch), 1000);
}
$("#measure").addEventListener("click", trying(async () => { await post("/v1/benchmarks", {}); await watch(); }));
await read();
trying(watch)();
setInterval(() => document.hidden || trying(read)(), 2000);
