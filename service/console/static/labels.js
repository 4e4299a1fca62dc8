// The scorecard's own names of features, fetched once.
import { get, lang } from "./ui.js";

let wanted;
export async function labels() {
  wanted ??= get("/v1/scorecard").then(({ scorecard }) =>
    Object.fromEntries(scorecard.columns.map((column) => [column.name, column[`label_${lang}`]])));
  return wanted;
}
