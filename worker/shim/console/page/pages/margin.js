/*
 * Margin health: the pools of an account as the venue tells them now, beside its thresholds; and of all accounts on the
 * Book, the nearest to liquidation first, as the events tell them.
 */

import { compare, isAmount, plain, sign } from "../exact.js";
import { h } from "../elements.js";
import { accountLink, badge, stamp, table, trouble } from "../parts.js";
import { dash, shortAmount, span } from "../wording.js";

/** Percent of the mark price; a liquidation nearer than this is danger. */
export const NEAR_PERCENT = "10";
const FIRST = 4;
const RANKS = { critical: 0, warn: 1, ok: 2 };

/* Of one account */

export function marginHealth(desk, served) {
  if (!desk.can("get_margin_health") || !served.capabilities.includes("margin_health")) return null;
  const reading = desk.read("/margin-health", { exchange_account_id: served.exchange_account_id }, { every: 30_000, after: ["margin", "threshold", "risk"] });
  const { pools = [], unread = [] } = reading.data ?? {};
  return h("section", { class: "sheet", "aria-label": "Margin health" }, h("h2", {}, "Margin health"), stamp(desk, reading), trouble(reading),
    thresholds(desk, served),
    unread.length > 0 && h("p", { class: "notice doubt" }, `Not read whole: ${unread.map((part) => `${part.part} (${part.reason})`).join("; ")}`),
    pools.length > 0 && table({ label: "Pools of margin", columns: columnsOf(served.margin_thresholds), rows: pools, keyOf: (pool) => pool.pool }),
    reading.data && !pools.length && h("p", { class: "quiet" }, unread.length ? "No pool could be read." : "No margin stands for anything here: the venue names no pool."));
}

function thresholds(desk, { exchange_account_id: id, margin_thresholds: { warn, critical, hysteresis } }) {
  const told = desk.holdings.snapshots.get(id)?.margin;
  return h("p", { class: "counts" }, told ? [levelBadge(told.level), ` ${span(desk.holdings.now() - told.as_of)} ago. `] : "No level was told yet. ",
    h("span", { class: "quiet" }, `A ratio of 1 is liquidation. A pool is told as warn from ${plain(warn)} on, as critical from ${plain(critical)} on; a level ends more than ${plain(hysteresis)} below its threshold.`));
}

const why = (pool, field) => pool.untold?.[field] ?? "the venue tells none";

function columnsOf(limits) {
  return [
    { title: "Pool", class: "wraps", cell: (pool) => [h("strong", {}, pool.pool.split("/").map((part, index) => (index ? [h("wbr"), `/${part}`] : part))), pool.status && h("span", { class: "venue", title: "the venue's own word for it" }, pool.status)] },
    { title: "Margin ratio", figures: true, cell: (pool) => ratio(pool, limits) },
    { title: "Venue's own", figures: true, cell: (pool) => (pool.venue_ratio ? shortAmount(pool.venue_ratio.value, "", { unit: pool.venue_ratio.name }) : dash("the venue has none of its own")) },
    { title: "Nearest liquidation", class: "wide wraps", cell: (pool) => nearest(pool.nearest_liquidation, why(pool, "nearest_liquidation")) },
    { title: "Maintenance", figures: true, cell: (pool) => shortAmount(pool.maintenance_margin, why(pool, "maintenance_margin"), { unit: pool.currency ?? "" }) },
    { title: "Equity", figures: true, cell: (pool) => shortAmount(pool.equity, why(pool, "equity"), { unit: pool.currency ?? "" }) },
  ];
}

function ratio(pool, { warn, critical }) {
  if (!isAmount(pool.margin_ratio)) return [dash(why(pool, "margin_ratio")), pool.is_liquidatable ? badge("danger", "no equity left") : null];
  const reached = [["critical", critical], ["warn", warn]].find(([, from]) => compare(pool.margin_ratio, from) >= 0);
  const made = pool.margin_ratio_source === "derived" ? "made of two figures of the venue" : "the venue's own, as 1 at liquidation";
  return [h("span", { class: reached || pool.is_liquidatable ? "danger" : undefined, title: made }, shortAmount(pool.margin_ratio, "")),
    reached ? badge("danger", reached[0], `at ${plain(reached[1])} or above`) : null];
}

/** The position that is liquidated first: how far the mark price has to move, in percent of it. */
function nearest(position, reason) {
  if (!position) return dash(reason);
  const near = compare(position.distance_percent, NEAR_PERCENT) < 0;
  const title = `liquidated at ${plain(position.liquidation_price)}, the mark price is ${plain(position.mark_price)}${position.mark_price_source === "derived" ? " (made of value and size)" : ""}`;
  return h("span", { title }, `${position.symbol} ${position.side} `, h("span", { class: near ? "amount danger" : "amount" }, `${hundredths(position.distance_percent)} %`));
}

/** Cut to hundredths and never rounded up: a distance must not look longer than it is. What is beyond shows whole. */
function hundredths(percent) {
  const [whole, fraction = ""] = plain(percent).split(".");
  return fraction.length > 2 && sign(percent) > 0 ? `${whole}.${fraction.slice(0, 2)}` : plain(percent);
}

function levelBadge(level) {
  return badge(level === "ok" ? "" : "danger", level, "as it was told last");
}

/* Of all accounts, on the Book */

/** One entry for each account that is shown, the worst first; nothing where this token or the service has none. */
export function marginOfAccounts(desk, accounts) {
  const entries = accounts.map((account) => desk.holdings.snapshots.get(account)).filter(Boolean);
  if (!entries.length) return null;
  const all = entries.sort(byDanger);
  const shown = desk.form.get("margin all") ? all : all.slice(0, FIRST);
  const turn = () => { desk.form.set("margin all", !desk.form.get("margin all")); desk.changed(); };
  return h("section", { class: "margins", "aria-label": "Margin of the accounts below" },
    h("ul", {}, shown.map((entry) => h("li", { key: entry.exchange_account_id, class: entry.stale ? "faded" : undefined }, marginOf(desk, entry)))),
    all.length > FIRST && h("button", { type: "button", class: "quiet", onclick: turn, "aria-expanded": String(shown.length === all.length) },
      shown.length === all.length ? `the ${FIRST} nearest to liquidation alone` : `margin of all ${all.length} accounts`));
}

function byDanger(a, b) {
  const [x, y] = [a.margin, b.margin];
  const rank = (RANKS[x?.level] ?? 3) - (RANKS[y?.level] ?? 3);
  if (rank) return rank;
  if (isAmount(x?.worst_ratio) && isAmount(y?.worst_ratio)) return compare(y.worst_ratio, x.worst_ratio) || byName(a, b);
  return isAmount(y?.worst_ratio) - isAmount(x?.worst_ratio) || byName(a, b);
}

function byName(a, b) { return a.exchange_account_id < b.exchange_account_id ? -1 : 1; }

function marginOf(desk, entry) {
  const { margin } = entry;
  if (!margin) return [accountLink(entry.exchange_account_id), dash("the margin of the account was never read"), h("small", {}, "never read")];
  const age = span(Math.max(0, desk.holdings.now() - margin.as_of));
  const old = entry.stale || !desk.isLive;
  return [
    accountLink(entry.exchange_account_id),
    h("span", { class: "figures" }, isAmount(margin.worst_ratio)
      ? h("span", { class: margin.level === "ok" ? undefined : "danger", title: "the ratio of the worst pool; 1 is liquidation" }, shortAmount(margin.worst_ratio, ""))
      : dash(reasonOf(margin, "margin_ratio") ?? "no pool of the account has a margin ratio"), " ", levelBadge(margin.level)),
    h("small", {}, nearest(margin.nearest_liquidation, reasonOf(margin, "nearest_liquidation") ?? "no position is open, or the venue names no price of liquidation")),
    h("small", { class: old ? "stamp stale" : "stamp" }, old ? `stale ${age}` : age),
  ];
}

/** Why the pools lack a figure, where an event has told them. */
function reasonOf(margin, field) {
  const reasons = new Set((margin.pools ?? []).map((pool) => pool.untold?.[field]).filter(Boolean));
  return reasons.size ? [...reasons].join("; ") : null;
}
