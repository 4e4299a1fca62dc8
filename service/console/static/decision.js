// Charts of one decision, and the buttons that check its record.
import { $, get, number, page, post, t, trying } from "./ui.js";
import { colors, draw, waterfall } from "./charts.js";
import { labels } from "./labels.js";
import { checked, verified } from "./checks.js";

const decision = await get(`/v1/decisions/${page.decision}`);

async function scale() {
  const { scorecard } = await get("/v1/scorecard");
  const c = colors(), { base_score: base, base_odds: odds, doubling_points: doubling } = scorecard.scale;
  const score = (pd) => base + doubling / Math.LN2 * (Math.log((1 - pd) / pd) - Math.log(odds));
  const marks = scorecard.grades.slice(0, -1).map((band) => score(band.pd_12m_below));
  const own = decision.assessment.score;
  const low = Math.min(own, ...marks) - 40, high = Math.max(own, ...marks) + 60;
  const edges = [high, ...marks, low];
  const shades = [c.approve, c.approve, c.approve, c.refer, c.refer, c.decline, c.decline];
  await draw("#scale", [{
    type: "scatter", x: [own], y: [0.5], mode: "markers+text", text: [`${own}`], textposition: "top center",
    marker: { size: 16, color: c.ink, symbol: "triangle-down" }, hoverinfo: "skip", cliponaxis: false,
  }], {
    xaxis: { range: [low, high], showgrid: false }, yaxis: { range: [0, 1.4], visible: false },
    shapes: scorecard.grades.map((band, at) => ({ type: "rect", x0: edges[at + 1], x1: edges[at], y0: 0, y1: 0.4, line: { width: 1, color: c.panel }, fillcolor: shades[Math.min(at, 6)], opacity: 0.9 - 0.1 * (at % 3) })),
    annotations: scorecard.grades.map((band, at) => ({ x: (edges[at] + edges[at + 1]) / 2, y: 0.2, text: band.grade, showarrow: false, font: { color: c.panel, size: 12 } })),
  });
}

$("#replay").addEventListener("click", trying(async () => {
  checked($("#checked"), await post(`/v1/decisions/${page.decision}/replay`, {}));
}));
$("#verify").addEventListener("click", trying(async () => {
  verified($("#checked"), await get("/v1/verification"));
}));
await Promise.all([scale(), waterfall("#waterfall", decision.assessment, await labels(), 14, 60)]);
