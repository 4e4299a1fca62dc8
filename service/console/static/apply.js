// Choose a firm, consent source by source, apply; the sources light up as they answer.
import { $, debounce, el, get, label, micro, percent, post, say, t, trying, verdicts, yuan, lang, Refused } from "./ui.js";

const state = { code: null, request: null, pasted: false, opened: performance.now() };
const boxes = () => [...document.querySelectorAll(".consent")];

function choose(code, request, title, pasted = false) {
  Object.assign(state, { code, request, pasted });
  const { application, credit_file: file } = request;
  $("#chosen").textContent = title;
  $("#amount").value = application.amount_yuan;
  const tenor = $("#tenor");
  if (![...tenor.options].some((option) => Number(option.value) === application.tenor_months)) {
    tenor.append(el("option", { value: application.tenor_months }, `${application.tenor_months}`));
  }
  tenor.value = application.tenor_months;
  $("#purpose").value = application.purpose;
  for (const box of boxes()) {
    const input = box.querySelector("input"), known = file[box.dataset.source] != null;
    box.classList.remove("lit", "asked", "dark");
    box.querySelector("small").textContent = known ? "" : t("无", "none");
    input.checked = known;
    input.disabled = !known;
  }
  $("#send").disabled = false;
}

async function chooseFirm(code, title) {
  choose(code, await get(`/v1/firms/${encodeURIComponent(code)}`), title);
}

async function showStories() {
  const list = $("#stories");
  let stories = [];
  try { stories = await get("/v1/stories"); } catch (error) {
    if (!(error instanceof Refused)) throw error;
    list.replaceChildren(el("p", { class: "hint" }, t("这台服务器没有演示素材；请粘贴申请 JSON。", "This server has no showcase; paste an applicant's JSON.")));
    $("#any-json").open = true;
    $("#any-firm").hidden = true;
    return;
  }
  const pick = trying(async (event) => {
    const button = event.currentTarget;
    for (const one of list.children) one.setAttribute("aria-checked", String(one === button));
    await chooseFirm(button.dataset.code, button.querySelector("strong").textContent);
  });
  list.replaceChildren(...stories.map((story) => el("button", {
    type: "button", class: "story", role: "radio", "aria-checked": "false", "data-code": story.code, onclick: pick,
  }, el("strong", {}, label(story, "title")), el("small", {}, label(story, "shows")))));
  list.firstElementChild?.click();
}

const search = debounce(trying(async () => {
  const found = await get(`/v1/firms?q=${encodeURIComponent($("#firm").value)}`);
  $("#firms").replaceChildren(...found.map((firm) => el("button", {
    type: "button", class: "firm", onclick: trying(() => chooseFirm(firm.uscc, firm.name)),
  }, firm.name, el("small", {}, ` ${firm.uscc} · ${yuan(firm.amount_yuan)}`))));
}), 150);

// One source's section, as it is fetched with consent; the box says how long it took.
async function ask(box) {
  const source = box.dataset.source, begun = performance.now();
  box.classList.add("asked");
  const section = state.pasted || !state.code ? state.request.credit_file[source]
    : await get(`/v1/firms/${encodeURIComponent(state.code)}/sources/${source}`);
  box.classList.remove("asked");
  box.classList.add(section ? "lit" : "dark");
  box.querySelector("small").textContent = section ? micro((performance.now() - begun) * 1000) : t("无", "none");
  return [source, section];
}

// A firm of the world applies without a credit file: the server asks the sources, with consent.
const asksSources = () => "gateway" in $("#apply").dataset && !state.pasted && /^[0-9A-Z]{18}$/.test(state.code) && crypto.subtle;

async function applyWithoutFile(application, sources) {
  const granted = application.consent.granted, expires = `${new Date().getFullYear() + 1}-12-31`;
  const signed = new TextEncoder().encode(`${application.applicant} ${granted} ${expires} ${sources.join(" ")}`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", signed));
  const evidence_sha256 = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  for (const box of boxes()) if (sources.includes(box.dataset.source)) box.classList.add("asked");
  try {
    const decision = await post("/v1/applications", { ...application, consent: { sources, granted, expires, evidence_sha256 } });
    for (const one of decision.gathering.answers) {
      const box = boxes().find((box) => box.dataset.source === one.source), lit = one.status === "live" || one.status === "cached";
      box.classList.add(lit ? "lit" : "dark");
      box.querySelector("small").textContent = one.status === "live" ? micro(one.took_ms * 1000) : answerWords[one.status];
    }
    return decision;
  } finally { for (const box of boxes()) box.classList.remove("asked"); }
}
const answerWords = {
  cached: t("已缓存", "remembered"), empty: t("无", "none"), stale: t("过期", "too old"), late: t("超时", "late"), failed: t("失败", "failed"),
  refused: t("拒绝", "refused"), circuit_open: t("熔断", "left alone"),
};

function tick(clock, from, until) {
  const step = () => {
    if (until.at) return;
    clock.textContent = seconds(performance.now() - from);
    requestAnimationFrame(step);
  };
  step();
}
const seconds = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`);

function clocks() {
  const made = [
    ["C1", t("填表", "form"), t("已公布：6 分钟、3 分钟", "published: 6 min, 3 min")],
    ["C2", t("决策，已落盘", "decision, durable"), t("已公布：9 秒、1 秒", "published: 9 s, 1 s")],
    ["C3", t("引擎", "engine"), t("无人公布", "nobody publishes it")],
    ["C4", t("到账（模拟）", "money (simulated)"), t("已公布：当日", "published: same day")],
  ].map(([code, name, published]) => {
    const value = el("b", {}, "…");
    return { value, box: el("div", { class: "clock" }, value, el("small", {}, `${code} ${name}`), el("small", {}, published)) };
  });
  $("#clocks").replaceChildren(...made.map(({ box }) => box));
  return made.map(({ value }) => value);
}

const send = trying(async () => {
  if (!$("#amount").reportValidity()) return;
  const button = $("#send");
  button.disabled = true;
  try {
    const pressed = performance.now(), outcome = $("#outcome");
    for (const box of boxes()) box.classList.remove("lit", "dark");
    const consented = boxes().filter((box) => box.querySelector("input").checked);
    if (!consented.length) { say(t("请至少授权一个来源", "Consent to one source at least")); return; }
    outcome.hidden = false;
    $("#verdict").className = "verdict";
    $("#verdict").textContent = t("来源正在回答……", "The sources are answering…");
    $("#headline").textContent = $("#why").textContent = "";
    $("#open").hidden = true;
    const [c1, c2, c3, c4] = clocks(), done = {};
    c1.textContent = seconds(pressed - state.opened);
    tick(c4, pressed, done);
    const { credit_file: file } = state.request, sources = consented.map((box) => box.dataset.source);
    const application = {
      ...state.request.application, amount_yuan: Number($("#amount").value), tenor_months: Number($("#tenor").value), purpose: $("#purpose").value,
    };
    let sent = performance.now(), decision;
    if (asksSources()) decision = await applyWithoutFile(application, sources);
    else {
      const sections = Object.fromEntries(await Promise.all(consented.map(ask)));
      sent = performance.now();
      decision = await post("/v1/decisions", {
        application: { ...application, consent: { ...application.consent, sources } }, credit_file: { uscc: file.uscc, as_of: file.as_of, ...sections },
      });
    }
    c2.textContent = seconds(performance.now() - sent);
    c3.textContent = seconds(decision.timings_us.engine / 1000);
    const paid = decision.verdict === "approve";
    done.at = performance.now();
    c4.textContent = paid ? seconds(done.at - pressed) : "–";
    $("#verdict").textContent = verdicts[decision.verdict];
    $("#verdict").classList.add(decision.verdict);
    const best = decision.offers[0];
    $("#headline").textContent = decision.verdict === "decline" ? "" :
      `${yuan(decision.limit_yuan)}${best ? t(`，最低年利率 ${percent(best.annual_rate, 2)}，${decision.eligible_products} 个产品适用`, ` at ${percent(best.annual_rate, 2)} a year; ${decision.eligible_products} products fit`) : ""}`;
    $("#why").textContent = decision.reasons[0]?.[`text_${lang}`] ?? "";
    $("#open").href = `/${lang}/decision/${decision.decision_id}`;
    $("#open").hidden = false;
    outcome.dataset.decision = decision.decision_id;
    outcome.focus({ preventScroll: true });
    outcome.scrollIntoView({ block: "nearest" });
    state.opened = performance.now();
  } catch (error) {
    $("#outcome").hidden = true;
    throw error;
  } finally { button.disabled = false; }
});

$("#apply").addEventListener("submit", send);
$("#firm").addEventListener("input", search);
$("#any-firm").addEventListener("toggle", () => $("#any-firm").open && search());
$("#use-json").addEventListener("click", trying(() => {
  let request;
  try { request = JSON.parse($("#json").value); } catch (error) { say(t(`不是 JSON：${error.message}`, `Not JSON: ${error.message}`)); return; }
  if (!request?.application || !request?.credit_file) { say(t("需要 application 与 credit_file 两部分", "Expected two parts: application and credit_file")); return; }
  choose(null, request, String(request.credit_file.registry?.name ?? request.application.applicant), true);
}));
trying(showStories)();
