// What replay and verification found, in words.
import { el, number, t } from "./ui.js";

export function checked(where, found) {
  where.replaceChildren(found.same
    ? el("span", { class: "ok" }, t("重放：用当时的评分卡、政策与产品目录重新决策，逐字节相同。", "Replayed with the scorecard, policy and catalogue of that day: the same bytes."))
    : el("span", { class: "bad" }, t(`重放不同：${found.difference}`, `Replay differs: ${found.difference}`)));
}
export function verified(where, found) {
  where.replaceChildren(found.ok
    ? el("span", { class: "ok" }, t(`已沿哈希链校验 ${number(found.records)} 条记录${found.erased ? `（其中 ${number(found.erased)} 条的个人数据已删除）` : ""}，完好；链头 `, `${number(found.records)} records checked along the hash chain${found.erased ? `, ${number(found.erased)} of them erased` : ""}, intact; head `), el("code", {}, found.heads.map((head) => head.hash.slice(0, 16)).join(" ")))
    : el("span", { class: "bad" }, t(`写入者 ${found.broken_writer} 的第 ${found.broken_seq} 条断裂：${found.what}`, `Broken at record ${found.broken_seq} of writer ${found.broken_writer}: ${found.what}`)));
}
