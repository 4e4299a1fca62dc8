// The queue, a case, decisions found again and checked.
import { $, debounce, el, get, page, post, rows, say, t, trying, verdicts, yuan } from "./ui.js";
import { due, show, statuses, when } from "./case.js";
import { verified } from "./checks.js";

let chosen = null, skip = 0;
const MOST = 50;

async function queue() {
  const asked = new URLSearchParams({ most: MOST, skip }), filter = $("#filter").value;
  if (filter === "mine" && !$("#officer").value) {
    $("#queue").replaceChildren(el("p", { class: "hint" }, t("请先登录。", "Sign in first.")));
    return;
  }
  if (filter in statuses) asked.set("status", filter); else if (filter) asked.set(filter, "true");
  const found = await get(`/v1/desk/cases?${asked}`);
  $("#waiting").textContent = found.total;
  $("#late").textContent = found.overdue ? t(`${found.overdue} 件逾期`, `${found.overdue} overdue`) : "";
  $("#queue").replaceChildren(...(found.cases.length ? found.cases.map(({ line, case: one }) => el("button", {
    type: "button", "data-id": line.decision_id, "aria-current": line.decision_id === chosen ? "true" : null, onclick: trying(() => open(line.decision_id)),
  }, el("strong", {}, line.name || line.applicant), el("small", {}, ` ${yuan(line.amount_yuan)} · ${line.grade} ${line.score} · ${statuses[one.status]}${one.disputed.length ? t("，有异议", ", disputed") : ""}${one.person ? t("，要求人工", ", person asked for") : ""}${one.claimed_by ? ` · ${one.claimed_by}` : ""}`), el("br"), due(one)))
    : [el("p", { class: "hint" }, found.whole ? t("没有。", "None.") : t("正在读取账本……", "The ledger is being read…"))]));
  $("#earlier").hidden = skip === 0;
  $("#later").hidden = found.next === null;
}

const refresh = () => Promise.all([show(chosen, refresh), queue()]);

async function open(id) {
  chosen = id;
  await show(id, refresh);
  for (const button of document.querySelectorAll("#queue button")) button.toggleAttribute("aria-current", button.dataset.id === id);
}

function turn(by) {
  skip = Math.max(0, skip + by);
  return queue();
}

const find = debounce(trying(async () => {
  const asked = new URLSearchParams({ q: $("#find").value, verdict: $("#with").value });
  const found = await get(`/v1/decisions?${asked}`);
  rows($("#found"), [[t("企业", "firm")], [t("结论", "verdict")], [t("额度", "limit"), "number"], [t("评分", "score"), "number"], [t("时间", "when")]], found.map((line) => ({ cells: [
    el("button", { type: "button", class: "link", onclick: trying(async () => { await open(line.decision_id); $("#case").focus(); }) }, line.name || line.applicant), verdicts[line.verdict], yuan(line.limit_yuan), `${line.score} ${line.grade}`, when(line.decided_at)] })));
}), 120);

$("#officer").addEventListener("change", trying(async (event) => {
  const { officer } = await post("/v1/desk/session", { officer: event.target.value || null });
  await (chosen ? refresh() : queue());
  // said last: drawing the case anew would take what is typed meanwhile
  say(officer ? t(`已登录：${officer}`, `Signed in: ${officer}`) : t("已退出", "Signed out"));
}));
$("#sign-in").addEventListener("submit", (event) => event.preventDefault());
$("#filter").addEventListener("change", trying(() => turn(-skip)));
$("#earlier").addEventListener("click", trying(() => turn(-MOST)));
$("#later").addEventListener("click", trying(() => turn(MOST)));
$("#find").addEventListener("input", find);
$("#with").addEventListener("change", find);
$("#verify").addEventListener("click", trying(async () => verified($("#verified"), await get("/v1/verification"))));
trying(queue)();
find();
if (page.decision) trying(() => open(page.decision))();
setInterval(() => document.hidden || trying(queue)(), 5000);
