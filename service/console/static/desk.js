// The queue, a case, two pairs of eyes, disputes; decisions found again and checked.
import { $, debounce, el, get, label, lang, page, post, rows, say, sources, t, trying, verdicts, yuan } from "./ui.js";
import { checked, verified } from "./checks.js";

const statuses = { open: t("待裁定", "to rule on"), ruled: t("待复核", "to sign"), signed: t("已签署", "signed") };
const kinds = { ruling: t("裁定", "ruling"), signature: t("复核同意", "signed"), return: t("退回", "given back"), dispute: t("异议", "dispute"), answer: t("答复异议", "answer") };
const when = (iso) => new Date(iso).toLocaleString(zhEn(), { dateStyle: "medium", timeStyle: "short" });
function zhEn() { return lang === "zh" ? "zh-CN" : "en-GB"; }
let chosen = null;

async function queue() {
  const waiting = await get("/v1/desk/cases");
  $("#waiting").textContent = waiting.length;
  $("#queue").replaceChildren(...(waiting.length ? waiting.map(({ line, case: one }) => el("button", {
    type: "button", "data-id": line.decision_id, "aria-current": line.decision_id === chosen ? "true" : null, onclick: trying(() => open(line.decision_id)),
  }, el("strong", {}, line.name || line.applicant), el("small", {}, ` ${yuan(line.amount_yuan)} · ${line.grade} ${line.score} · ${statuses[one.status]}${one.disputed.length ? t("，有异议", ", disputed") : ""}`)))
    : [el("p", { class: "hint" }, t("没有待办。", "Nothing waits."))]));
}

function words(id, asked) { return el("label", {}, asked, el("textarea", { id, rows: 3, minlength: 10 })); }

function ruling(decision, update) {
  const most = decision.limit_yuan;
  return el("form", { onsubmit: trying(async (event) => {
    const verdict = event.submitter.value;
    await update("rulings", { verdict, said: $("#said").value, limit_yuan: verdict === "approve" ? Number($("#lend").value) : null });
  }) }, most < 1000 ? el("p", { class: "hint" }, t("没有产品适用，无额度可批。", "No product fits, so there is nothing to approve."))
    : el("label", {}, t(`批准额度（至多 ${yuan(most)}）`, `limit, at most ${yuan(most)}`), el("input", { id: "lend", type: "number", min: 1000, max: most, step: 1000, value: most })),
  words("said", t("理由（至少 10 个字）", "why, ten characters at least")),
  el("p", { class: "actions" }, el("button", { class: "button", value: "approve", disabled: most < 1000 }, t("批准", "Approve")), el("button", { class: "button quiet", value: "decline", formnovalidate: true }, t("拒绝", "Decline"))));
}

function signing(update) {
  return el("form", { onsubmit: trying((event) => update("signatures", { agree: event.submitter.value === "yes", said: $("#said").value })) },
    words("said", t("复核意见（另一位审批人）", "what the second officer found")),
    el("p", { class: "actions" }, el("button", { class: "button", value: "yes" }, t("同意并签署", "Agree and sign")), el("button", { class: "button quiet", value: "no" }, t("退回", "Give back"))));
}

function disputing(decision, one, update) {
  const told = decision.reasons.map((reason) => reason.source).filter(Boolean);
  const pick = el("select", { id: "disputed" }, [...new Set([...told, ...Object.keys(sources)])].map((source) => el("option", { value: source }, sources[source])));
  const answers = one.disputed.map((source) => el("form", { onsubmit: trying((event) => update("answers", { source, upheld: event.submitter.value === "yes", said: event.target.querySelector("textarea").value })) },
    el("label", {}, t(`答复对${sources[source]}的异议`, `answer the dispute about ${sources[source]}`), el("textarea", { rows: 2, minlength: 10 })), el("p", { class: "actions" }, el("button", { class: "button quiet", value: "yes" }, t("异议成立", "Upheld")), el("button", { class: "button quiet", value: "no" }, t("不成立", "Not upheld")))));
  return [...answers, el("details", {}, el("summary", {}, t("记录申请人的异议", "Note a dispute of the applicant")), el("form", { onsubmit: trying(() => update("disputes", { source: $("#disputed").value, said: $("#objection").value })) },
    el("label", {}, t("来源", "source"), pick), words("objection", t("哪里不对", "what is wrong")), el("p", { class: "actions" }, el("button", { class: "button quiet" }, t("记录", "Note")))))];
}

async function open(id) {
  chosen = id;
  const [decision, one] = await Promise.all([get(`/v1/decisions/${id}`), get(`/v1/desk/decisions/${id}`)]);
  const update = async (step, body) => { await post(`/v1/desk/decisions/${id}/${step}`, body); await Promise.all([open(id), queue()]); };
  const check = el("p", { "aria-live": "polite" });
  const hits = decision.rules.filter((rule) => rule.result !== "no_hit").map((rule) => rule.code);
  $("#case-hint").hidden = true;
  $("#case-body").replaceChildren(
    el("p", {}, el("strong", { class: `verdict ${decision.verdict}` }, verdicts[decision.verdict]), " ", el("span", { class: "tag", id: "status" }, decision.verdict === "refer" || one.events.length ? statuses[one.status] : t("机器已决定", "decided by the engine"))),
    el("p", {}, `${t("申请", "asked for")} ${yuan(decision.application.amount_yuan)} · ${t("额度", "limit")} ${yuan(decision.limit_yuan)} · ${decision.assessment.grade} ${decision.assessment.score}`),
    el("ol", { class: "reasons" }, decision.reasons.map((reason) => el("li", {}, label(reason, "text")))),
    el("p", { class: "hint" }, hits.length ? hits.join(" · ") : t("没有规则触发", "no rule was hit")),
    el("p", { class: "actions" }, el("a", { class: "button quiet", href: `/${lang}/decision/${id}` }, t("机器所见的全部", "Everything the engine saw")), el("a", { class: "button quiet", href: `/${lang}/portrait/${id}` }, t("画像", "Portrait")),
      el("button", { class: "button quiet", type: "button", id: "replay", onclick: trying(async () => checked(check, await post(`/v1/decisions/${id}/replay`, {}))) }, t("重放", "Replay"))), check,
    el("ul", { class: "events" }, one.events.map((event) => el("li", {}, el("strong", {}, `${kinds[event.kind]}${event.verdict ? `：${verdicts[event.verdict]} ${event.limit_yuan ? yuan(event.limit_yuan) : ""}` : ""}${event.source ? ` · ${sources[event.source]}` : ""}${event.upheld != null ? ` · ${event.upheld ? t("成立", "upheld") : t("不成立", "not upheld")}` : ""}`), el("br"), event.said, el("small", {}, `${event.officer} · ${when(event.at)}`)))),
    decision.verdict !== "refer" || one.status === "signed" ? "" : one.status === "open" ? ruling(decision, update) : signing(update),
    ...disputing(decision, one, update),
  );
  for (const button of document.querySelectorAll("#queue button")) button.toggleAttribute("aria-current", button.dataset.id === id);
}

const find = debounce(trying(async () => {
  const asked = new URLSearchParams({ q: $("#find").value, verdict: $("#with").value });
  const found = await get(`/v1/decisions?${asked}`);
  rows($("#found"), [[t("企业", "firm")], [t("结论", "verdict")], [t("额度", "limit"), "number"], [t("评分", "score"), "number"], [t("时间", "when")]], found.map((line) => ({ cells: [
    el("button", { type: "button", class: "link", onclick: trying(async () => { await open(line.decision_id); $("#case").focus(); }) }, line.name || line.applicant), verdicts[line.verdict], yuan(line.limit_yuan), `${line.score} ${line.grade}`, when(line.decided_at)] })));
}), 120);

$("#officer").addEventListener("change", trying(async (event) => {
  const { officer } = await post("/v1/desk/session", { officer: event.target.value || null });
  say(officer ? t(`已登录：${officer}`, `Signed in: ${officer}`) : t("已退出", "Signed out"));
}));
$("#sign-in").addEventListener("submit", (event) => event.preventDefault());
$("#find").addEventListener("input", find);
$("#with").addEventListener("change", find);
$("#verify").addEventListener("click", trying(async () => verified($("#verified"), await get("/v1/verification"))));
trying(queue)();
find();
if (page.decision) trying(() => open(page.decision))();
setInterval(() => document.hidden || trying(queue)(), 5000);
