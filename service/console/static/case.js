// One case: what the engine found, who holds it, the ruling, disputes, evidence, every event in order.
import { $, Refused, el, get, label, lang, post, sources, t, trying, verdicts, yuan } from "./ui.js";
import { checked } from "./checks.js";

export const statuses = { open: t("待裁定", "to rule on"), ruled: t("待复核", "to sign"), signed: t("已签署", "signed"), decided: t("已由一人裁定", "ruled by one officer"), redecided: t("已重新决策", "decided anew") };
const clocks = { referral: t("裁定", "ruling"), signature: t("复核", "second officer"), person: t("人工复核", "person asked for"), dispute: t("答复异议", "answer to a dispute"), correction: t("更正并重新决策", "correction and new decision") };
const kinds = { ruling: t("裁定", "ruling"), signature: t("复核同意", "signed"), return: t("退回", "given back"), dispute: t("异议", "dispute"), answer: t("答复异议", "answer"), claim: t("认领", "claimed"), release: t("放回", "released"), person: t("要求人工复核", "asks for a person"), evidence: t("补充材料，重新决策", "more evidence, decided anew") };
export const when = (iso) => new Date(iso).toLocaleString(lang === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "short" });
export const due = (one) => one.due_at ? el("span", { class: one.overdue ? "tag late" : "tag" }, `${one.overdue ? t("已逾期", "overdue") : t("应于", "due")} ${when(one.due_at)} · ${clocks[one.due_for]}`) : "";

let terms;
const officer = () => $("#officer").value;
const words = (id, asked) => el("label", {}, asked, el("textarea", { id, rows: 3, minlength: 10 }));
const actions = (...buttons) => el("p", { class: "actions" }, buttons);
const quiet = (attributes, text) => el("button", { class: "button quiet", ...attributes }, text);
const decisionLink = (id) => el("a", { href: `/${lang}/decision/${id}` }, el("code", {}, id));

function ruling(decision, one, update) {
  const declined = decision.verdict === "decline";
  const most = declined ? Math.min(...Object.values(decision.caps)) : decision.limit_yuan;
  const lends = most >= 1000, reasons = el("select", { id: "reason" }, terms.reason.filter((reason) => lends || reason.verdict === "decline").map((reason) => el("option", { value: reason.code }, `${verdicts[reason.verdict]}：${label({ text_zh: reason.zh, text_en: reason.en }, "text")}`)));
  const verdict = () => terms.reason.find((reason) => reason.code === reasons.value).verdict;
  const buttons = { approve: el("button", { class: "button", value: "approve" }, t("批准", "Approve")), decline: quiet({ value: "decline" }, t("拒绝", "Decline")) };
  const fit = () => { for (const [name, button] of Object.entries(buttons)) button.disabled = name !== verdict(); };
  reasons.addEventListener("change", fit);
  fit();
  return el("form", { novalidate: true, onsubmit: trying((event) => {
    const said = event.submitter.value;
    return update("rulings", { verdict: said, reason_code: reasons.value, said: $("#said").value, limit_yuan: said === "approve" ? Number($("#lend").value) : null });
  }) }, lends ? el("label", {}, t(`批准额度（至多 ${yuan(most)}）`, `limit, at most ${yuan(most)}`), el("input", { id: "lend", type: "number", min: 1000, max: most, step: 1000, value: Math.floor(most) }))
    : el("p", { class: "hint" }, t("没有产品适用，无额度可批。", "No product fits, so there is nothing to approve.")),
  el("label", {}, t("结论与理由", "verdict and reason"), reasons), words("said", t("说明（至少 10 个字）", "in words, ten characters at least")),
  el("p", { class: "hint" }, declined ? t("与机器结论相反的批准须两人签署。", "An approval against the engine's decline takes two officers.") : t(`超过${yuan(terms.four_eyes_above_yuan)}须第二人复核。`, `Above ${yuan(terms.four_eyes_above_yuan)} a second officer signs.`)),
  actions(buttons.approve, buttons.decline));
}

function signing(update) {
  return el("form", { onsubmit: trying((event) => update("signatures", { agree: event.submitter.value === "yes", said: $("#said").value })) },
    words("said", t("复核意见（另一位审批人）", "what the second officer found")),
    actions(el("button", { class: "button", value: "yes" }, t("同意并签署", "Agree and sign")), quiet({ value: "no" }, t("退回", "Give back"))));
}

function holding(one, update) {
  if (!one.waits) return "";
  const mine = one.claimed_by && one.claimed_by === officer();
  const held = one.claimed_by ? t(`${one.claimed_by} 已认领，至 ${when(one.claimed_until)}`, `held by ${one.claimed_by} until ${when(one.claimed_until)}`) : t("无人认领；认领后方可裁定。", "Nobody holds it; claim it to rule.");
  return el("p", { class: "actions" }, mine ? quiet({ type: "button", id: "release", onclick: trying(() => update("releases", {})) }, t("放回", "Release"))
    : one.claimed_by ? null : quiet({ type: "button", id: "claim", onclick: trying(() => update("claims", {})) }, t("认领", "Claim")), el("small", {}, held));
}

const answers = (one, update) => one.disputed.map((source) => el("form", { onsubmit: trying((event) => update("answers", { source, upheld: event.submitter.value === "yes", said: event.target.querySelector("textarea").value })) },
  el("label", {}, t(`答复对${sources[source]}的异议`, `answer the dispute about ${sources[source]}`), el("textarea", { rows: 2, minlength: 10 })), actions(quiet({ value: "yes" }, t("异议成立", "Upheld")), quiet({ value: "no" }, t("不成立", "Not upheld")))));

// What was typed as what is right: a number when it is one, nothing when nothing was typed.
const put = (typed) => typed === "" ? null : Number.isNaN(Number(typed)) ? typed : Number(typed);

// A part that is closed until somebody needs it; `opened` runs the first time.
function folded(id, title, form, opened) {
  const box = el("details", { id }, el("summary", {}, title), form);
  if (opened) box.addEventListener("toggle", trying(opened), { once: true });
  return box;
}

function disputing(decision, file, update) {
  const told = decision.reasons.map((reason) => reason.source).filter(Boolean);
  const pick = el("select", { id: "disputed" }, [...new Set([...told, ...Object.keys(sources)])].map((source) => el("option", { value: source }, sources[source])));
  const field = el("input", { id: "disputed-field", list: "fields", autocomplete: "off" }), known = el("datalist", { id: "fields" }), now = el("small", {});
  const right = el("input", { id: "right", maxlength: 200 });
  const section = async () => (await file())[pick.value] ?? {};
  const fields = trying(async () => { field.value = ""; now.textContent = ""; known.replaceChildren(...Object.keys(await section()).map((name) => el("option", { value: name }))); });
  pick.addEventListener("change", fields);
  field.addEventListener("change", trying(async () => { const was = (await section())[field.value]; now.textContent = was == null ? "" : t(`现为 ${JSON.stringify(was).slice(0, 120)}`, `now ${JSON.stringify(was).slice(0, 120)}`); }));
  return folded("dispute-box", t("记录申请人的异议", "Note a dispute of the applicant"), el("form", { onsubmit: trying(() => update("disputes", { source: pick.value, said: $("#objection").value, field: field.value || null, right: put(right.value.trim()) })) },
    el("label", {}, t("来源", "source"), pick), el("label", {}, t("字段（可不填）", "field, if one is meant"), field, known, now), el("label", {}, t("正确的是（可不填）", "what is right, if known"), right),
    words("objection", t("哪里不对", "what is wrong")), actions(quiet({}, t("记录", "Note")))), fields);
}

function evidence(id, file, update) {
  const text = el("textarea", { id: "file", rows: 8, spellcheck: "false" });
  const read = () => { try { return JSON.parse(text.value); } catch (error) { throw new Refused(t(`信用档案不是 JSON：${error.message}`, `The credit file is not JSON: ${error.message}`)); } };
  return folded("evidence-box", t("补充或更正材料，重新决策", "More or corrected evidence: decide anew"), el("form", { onsubmit: trying(() => update("evidence", { credit_file: read(), said: $("#what").value })) }, el("label", {}, t("信用档案（JSON），改为正确的", "credit file as JSON, put right"), text), words("what", t("新在哪里", "what is new in it")), actions(quiet({}, t("重新决策", "Decide anew")))),
  async () => { text.value = JSON.stringify(await file(), null, 1); });
}

const asking = (update) => folded("person-box", t("记录申请人要求人工复核", "Note that the applicant asks for a person"),
  el("form", { onsubmit: trying(() => update("person-requests", { said: $("#asks").value })) }, words("asks", t("申请人不同意之处", "what the applicant disagrees with")), actions(quiet({}, t("记录", "Note")))));

function told(event) {
  const reason = terms.reason.find((one) => one.code === event.reason_code);
  return el("li", {}, el("strong", {}, kinds[event.kind], event.verdict ? `：${verdicts[event.verdict]} ${event.limit_yuan ? yuan(event.limit_yuan) : ""}` : "", event.source ? ` · ${sources[event.source]}${event.field ? ` · ${event.field}` : ""}` : "", event.right != null ? t(` · 应为 ${event.right}`, ` · should be ${event.right}`) : "", event.upheld != null ? ` · ${event.upheld ? t("成立", "upheld") : t("不成立", "not upheld")}` : ""),
    el("br"), reason ? el("span", {}, label({ text_zh: reason.zh, text_en: reason.en }, "text"), el("br")) : null, event.became ? decisionLink(event.became) : null, event.became ? el("br") : null, event.said, el("small", {}, `${event.officer} · ${when(event.at)}`));
}

// Draws a case; `changed` is told after every step.
export async function show(id, changed) {
  const [decision, one, known] = await Promise.all([get(`/v1/decisions/${id}`), get(`/v1/desk/decisions/${id}`), terms ?? get("/v1/desk/terms")]);
  terms = known;
  const update = async (step, body) => { await post(`/v1/desk/decisions/${id}/${step}`, body); await changed(); };
  let asked;
  const file = async () => (await (asked ??= get(`/v1/decisions/${id}/request`))).credit_file;
  const check = el("p", { "aria-live": "polite" }), rulable = one.status === "open" && one.claimed_by && one.claimed_by === officer() && (decision.verdict === "refer" || one.person);
  const hits = decision.rules.filter((rule) => rule.result !== "no_hit").map((rule) => rule.code);
  const byPerson = decision.verdict === "refer" || one.events.length;
  $("#case-hint").hidden = true;
  $("#case-body").replaceChildren(
    el("p", {}, el("strong", { class: `verdict ${decision.verdict}` }, verdicts[decision.verdict]), " ", el("span", { class: "tag", id: "status" }, byPerson ? statuses[one.status] : t("机器已决定", "decided by the engine")), " ", due(one)),
    el("p", {}, `${t("申请", "asked for")} ${yuan(decision.application.amount_yuan)} · ${t("额度", "limit")} ${yuan(decision.limit_yuan)} · ${decision.assessment.grade} ${decision.assessment.score}`),
    one.decides_again ? el("p", { class: "hint" }, t("由此决策重新作出：", "Made anew from "), decisionLink(one.decides_again)) : "",
    one.decided_again.length ? el("p", { class: "hint" }, t("已重新作出：", "Made anew as "), one.decided_again.map(decisionLink)) : "",
    el("ol", { class: "reasons" }, decision.reasons.map((reason) => el("li", {}, label(reason, "text")))),
    el("p", { class: "hint" }, hits.length ? hits.join(" · ") : t("没有规则触发", "no rule was hit")),
    actions(el("a", { class: "button quiet", href: `/${lang}/decision/${id}` }, t("机器所见的全部", "Everything the engine saw")), el("a", { class: "button quiet", href: `/${lang}/portrait/${id}` }, t("画像", "Portrait")),
      quiet({ type: "button", id: "replay", onclick: trying(async () => checked(check, await post(`/v1/decisions/${id}/replay`, {}))) }, t("重放", "Replay"))), check,
    el("ul", { class: "events" }, one.events.map(told)),
    holding(one, update),
    rulable ? ruling(decision, one, update) : one.status === "ruled" ? signing(update) : "",
    ...answers(one, update),
    one.to_correct.length ? el("p", { class: "hint" }, t(`待更正后重新决策：${one.to_correct.map((source) => sources[source]).join("、")}`, `To be corrected and decided anew: ${one.to_correct.map((source) => sources[source]).join(", ")}`)) : "",
    disputing(decision, file, update), evidence(id, file, update),
    decision.verdict !== "refer" && !one.person && one.status === "open" ? asking(update) : "",
  );
}
