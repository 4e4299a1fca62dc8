// What every page uses: words, numbers, elements made of text alone, and the API.
export const zh = document.documentElement.lang.startsWith("zh");
export const lang = zh ? "zh" : "en";
export const page = document.body.dataset;
export const t = (chinese, english) => (zh ? chinese : english);
export const label = (one, name) => one[`${name}_${lang}`];
export const $ = (selector) => document.querySelector(selector);

const csrf = $('meta[name="csrf"]').content;
const shown = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

export function yuan(value) {
  if (value == null) return t("无数据", "no data");
  if (zh) return Math.abs(value) >= 1e8 ? `${shown.format(value / 1e8)}亿元`
    : Math.abs(value) >= 1e4 ? `${shown.format(value / 1e4)}万元` : `${shown.format(value)}元`;
  return Math.abs(value) >= 1e6 ? `${shown.format(value / 1e6)} m yuan` : `${shown.format(Math.round(value))} yuan`;
}
export const percent = (share, digits = 1) => `${(share * 100).toFixed(digits)} %`;
export const number = (value) => shown.format(value);
export const micro = (us) => us >= 1000 ? `${(us / 1000).toFixed(us >= 10000 ? 0 : 2)} ms` : `${us.toFixed(0)} µs`;
export const sources = {
  registry: t("市场监管登记", "company registry"), tax: t("税务", "tax bureau"), invoices: t("增值税发票", "VAT invoices"), social_security: t("社会保险", "social security"),
  electricity: t("电力", "electricity"), courts: t("法院", "courts"), bank: t("银行流水", "bank statements"), credit_bureau: t("征信", "credit bureau"),
  housing_fund: t("住房公积金", "housing fund"), water: t("供水", "water utility"), customs: t("海关", "customs"), intellectual_property: t("知识产权与资质", "patent and qualification offices"),
  hiring: t("招聘网站", "job sites"), online: t("电商与舆情", "online shops and news"), industrial_internet: t("工业互联网", "industrial internet"),
};
export const verdicts = { approve: t("批准", "Approved"), refer: t("转人工", "Referred"), decline: t("拒绝", "Declined") };

// An element; children are elements or text, never markup.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

export function rows(table, head, body) {
  table.replaceChildren(
    el("thead", {}, el("tr", {}, head.map(([name, kind]) => el("th", { scope: "col", class: kind }, name)))),
    el("tbody", {}, body.map(({ cells, kind }) => el("tr", { class: kind }, cells.map((cell, at) =>
      el(at ? "td" : "th", { scope: at ? null : "row", class: head[at][1] }, cell))))),
  );
}

export function figures(list, pairs) {
  list.replaceChildren(...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

export function say(text) {
  const toast = $("#toast");
  toast.textContent = text;
  toast.classList.add("on");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => toast.classList.remove("on"), 6000);
}

export class Refused extends Error {}

async function answered(reply) {
  if (reply.ok) return reply.json();
  const problem = await reply.json().catch(() => ({ detail: reply.statusText }));
  throw new Refused(problem.detail);
}
export const get = async (path) => answered(await fetch(path, { headers: { accept: "application/json" } }));
export const post = async (path, body) => answered(await fetch(path, {
  method: "POST", headers: { "content-type": "application/json", "x-csrf-token": csrf },
  body: typeof body === "string" ? body : JSON.stringify(body),
}));

// Run something for a press of a button; a refusal is said, not thrown.
export const trying = (work) => async (event) => {
  event?.preventDefault();
  try { await work(event); } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof TypeError)) throw error;
    say(error instanceof Refused ? error.message : t("服务器没有回答", "The server does not answer"));
  }
};
export function debounce(work, ms) {
  let timer;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => work(...given), ms); };
}
