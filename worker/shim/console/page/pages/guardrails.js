/*
 * What the commands of an account may do at most, by the registry. A token may be limited further: that is told when it
 * is refused.
 */

import { compare, isAmount, plain } from "../exact.js";
import { h } from "../elements.js";
import { count } from "../wording.js";

/** The rules of an account, each said even where it forbids nothing. */
export function guardrails(desk, served) {
  const { max_leverage: most, max_leverage_of: some, margin_modes: modes, operations, only_lower_while_open: lower } = served.guardrails;
  const markets = Object.entries(some);
  const rows = [
    rule("Leverage", isAmount(most) ? `at most ${plain(most)}×` : null),
    ...markets.map(([symbol, highest]) => rule(symbol, `at most ${plain(highest)}×`)),
    rule("Margin modes", modes && (modes.join(", ") || "none may be set")),
    rule("Commands", operations && (operations.map((name) => name.replaceAll("_", " ")).join(", ") || "none")),
    rule("While open", lower ? "leverage may only be lowered" : null),
  ];
  const set = rows.filter((row) => row.says).length;
  return h("section", { class: "sheet", "aria-label": "Guardrails" }, h("h2", {}, "Guardrails"),
    h("p", { class: "counts quiet" }, set ? `${count(set, "rule holds", "rules hold")} for every command of this account, whoever asks. What breaks one is refused before anything is sent.` : "Nothing is forbidden by the registry."),
    set > 0 && h("dl", { class: "pairs" }, rows.map(({ name, says }) => h("div", { key: name }, h("dt", {}, name), h("dd", { class: says ? undefined : "quiet" }, says ?? "any")))),
    h("p", { class: "hint" }, "Policy ", h("code", {}, served.policy.slice(0, 12)), ". A token may be limited further; each result names the policy that it was checked against."));
}

function rule(name, says) { return { name, says: says || null }; }

/** The highest leverage that guardrails let a market have, beside that of the market; nothing where they have none. */
export function highestAllowed(served, symbol, then, isValid) {
  const { max_leverage_of: some, max_leverage: most } = served.guardrails;
  const highest = some[symbol] ?? most;
  if (!isAmount(highest)) return null;
  const above = isValid && compare(then, highest) > 0;
  return h("span", { class: above ? "danger" : undefined }, `Guardrails: at most ${plain(highest)}×. `);
}
