/*
 * The Book: account × symbol, as the venues showed it.
 */

import { compare, divide, isAmount, magnitude, sign, subtract, sumsByCurrency } from "../exact.js";
import { h } from "../elements.js";
import { currenciesOf } from "../holdings.js";
import { accountLink, badge, choice, empty, filterField, sorted, stamp, table, trouble } from "../parts.js";
import { amount, count, dash, shortAmount, span } from "../wording.js";
import { marginOfAccounts, NEAR_PERCENT } from "./margin.js";

const MOST_ROWS = 400;

export const book = {
  name: "book",
  title: "Book",
  view(desk) {
    const reading = desk.read("/snapshots", {}, { every: 15_000 });
    const accounts = desk.accounts;
    if (!desk.holdings.isRead) return trouble(reading) ?? empty("The book is being read", "Its first answer is on its way.");
    const all = rowsOf(desk, accounts.data?.accounts ?? []);
    const rows = all.filter(isMeant(desk));
    return [
      h("div", { class: "bar" },
        filterField(desk, "book", "Filter: account, symbol, venue, frozen, stale…  ( / )"),
        choice({
          label: "Venue", value: desk.form.get("venue") ?? "", change: set(desk, "venue"),
          choices: [["", "all"], ...[...new Set(all.map((row) => row.exchange))].sort().map((name) => [name, name])],
        }),
        choice({
          label: "Show", value: desk.form.get("show") ?? "", change: set(desk, "show"),
          choices: [["", "everything"], ["open", "open positions"], ["doubtful", "stale, blind or unread"], ["frozen", "frozen"]],
        }),
        stamp(desk, reading)),
      trouble(reading),
      totals(rows),
      marginOfAccounts(desk, [...new Set(rows.map((row) => row.account))]),
      rows.length ? positions(desk, rows) : nothing(all),
    ];
  },
};

function set(desk, name) {
  return (value) => { desk.form.set(name, value); desk.changed(); };
}

/** One row for each position; one for an account that holds none, or was never read. */
function rowsOf(desk, accounts) {
  const known = new Map(accounts.map((account) => [account.exchange_account_id, account]));
  const held = [...desk.holdings.snapshots.values()].flatMap((entry) => {
    const about = aboutAccount(desk, entry, known.get(entry.exchange_account_id));
    const parts = entry.positions.map((position) => ({ ...about, ...withDistance(position), key: `${about.account} ${position.symbol} ${position.side}` }));
    return parts.length ? parts : [{ ...about, symbol: null, key: `${about.account} flat` }];
  });
  const unread = desk.holdings.missing.map((account) => ({
    account, exchange: known.get(account)?.exchange ?? "", symbol: null, unread: true, age: null, stale: false,
    frozen: known.get(account)?.frozen ?? [], stream: known.get(account)?.stream ?? null, parts: [], key: `${account} unread`,
  }));
  return [...held, ...unread].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function aboutAccount(desk, entry, served) {
  return {
    account: entry.exchange_account_id, exchange: entry.exchange, age: desk.holdings.age(entry.exchange_account_id),
    stale: entry.stale, frozen: served?.frozen ?? [], stream: served?.stream ?? null, parts: entry.unread ?? [], margin: entry.margin ?? null,
  };
}

/** How far the mark price is from that of liquidation, in percent of the mark price, both as the venue told them. */
function withDistance(position) {
  const { mark_price: mark, liquidation_price: liquidation } = position;
  const known = isAmount(mark) && isAmount(liquidation) && sign(mark) > 0;
  const distance = known ? divide(`${magnitude(subtract(mark, liquidation))}e2`, mark, 1) : null;
  return { ...position, distance, currency: currenciesOf(position.symbol) };
}

function isMeant(desk) {
  const words = (desk.form.get("book") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const [venue, show] = [desk.form.get("venue") ?? "", desk.form.get("show") ?? ""];
  return (row) => {
    const about = [row.account, row.exchange, row.symbol ?? "flat", row.side ?? "", row.margin_mode ?? "", streamOf(row),
      row.frozen.length ? "frozen" : "", row.stale ? "stale" : "", row.unread ? "unread" : ""].join(" ").toLowerCase();
    return words.every((word) => about.includes(word)) && (!venue || row.exchange === venue) && isShown(row, show);
  };
}

function isShown(row, show) {
  if (show === "open") return row.symbol !== null;
  if (show === "frozen") return row.frozen.length > 0;
  if (show === "doubtful") return row.stale || row.unread || row.parts.length > 0 || streamOf(row) === "blind";
  return true;
}

function streamOf(row) { return row.stream?.state ?? "unknown"; }

const COLUMNS = [
  { title: "Account", by: (row) => row.account, cell: accountCell },
  { title: "Symbol", by: (row) => row.symbol, cell: symbolCell },
  { title: "Side", by: (row) => row.side ?? null, cell: (row) => (row.symbol ? row.side : none(row)) },
  { title: "Contracts", figures: true, by: (row) => row.contracts ?? null, cell: (row) => figure(row, row.contracts) },
  { title: "Notional", figures: true, by: (row) => row.notional ?? null, cell: (row) => figure(row, row.notional, { unit: row.currency?.notional }) },
  { title: "Leverage", figures: true, by: (row) => row.leverage ?? null, cell: (row) => figure(row, row.leverage, { unit: "×" }, "the venue keeps none for this position") },
  { title: "Margin", by: (row) => row.margin_mode ?? null, cell: (row) => (row.symbol ? row.margin_mode : none(row)) },
  { title: "PnL", figures: true, by: (row) => row.unrealized_pnl ?? null, cell: (row) => figure(row, row.unrealized_pnl, { sign: true, unit: row.currency?.pnl }) },
  { title: "Liquidation", figures: true, by: (row) => row.liquidation_price ?? null, cell: (row) => figure(row, row.liquidation_price, {}, "the venue names none") },
  { title: "Distance", figures: true, by: (row) => row.distance ?? null, cell: distanceCell },
  { title: "Ratio", figures: true, by: (row) => row.margin?.worst_ratio ?? null, cell: ratioCell },
  { title: "Stream", by: streamOf, cell: streamCell },
  { title: "Age", figures: true, by: (row) => row.age, cell: ageCell },
];

/** The venue is named beside an account whose name does not name it. */
function accountCell(row) {
  const named = row.account.toLowerCase().includes(row.exchange);
  return [accountLink(row.account), !named && h("span", { class: "venue" }, row.exchange),
    row.frozen.length > 0 && badge("", "frozen", `no change is sent: ${row.frozen.join(", ")}`)];
}

function none(row) {
  return dash(row.unread ? "the account was never read" : "no open position");
}

function figure(row, value, options, why = "the venue tells none") {
  return row.symbol ? shortAmount(value, why, options) : none(row);
}

function symbolCell(row) {
  if (row.unread) return badge("doubt", "never read", "no worker has read this account yet");
  const gaps = row.parts.length ? badge("doubt", "part unread", row.parts.map((part) => `${part.part}: ${part.reason}`).join("; ")) : null;
  return [row.symbol ?? h("span", { class: "quiet" }, row.parts.length ? "none in what was read" : "flat"), gaps];
}

function distanceCell(row) {
  if (!row.symbol) return none(row);
  if (row.distance === null) return dash("the venue names no mark price, or no price of liquidation");
  const near = compare(row.distance, NEAR_PERCENT) < 0;
  return h("span", { class: near ? "amount danger" : "amount", title: "of the mark price, both as the venue told them" }, `${row.distance} %`);
}

/** Of the whole account: its worst pool, 1 is liquidation. */
function ratioCell(row) {
  if (!row.margin) return dash("the margin of the account was never read");
  if (!isAmount(row.margin.worst_ratio)) return dash("no pool of the account has a margin ratio");
  const shown = shortAmount(row.margin.worst_ratio, "");
  const title = `the account's worst pool, ${row.margin.level}; 1 is liquidation`;
  return h("span", { class: row.margin.level === "ok" ? undefined : "danger", title }, shown);
}

function streamCell(row) {
  const state = streamOf(row);
  if (state === "blind") return badge("doubt", "blind", row.stream.reason);
  const why = { live: "changes are pushed", none: "this account is only polled", unknown: "not told yet" }[state];
  return h("span", { class: `stream ${state}`, title: why }, state);
}

function ageCell(row) {
  if (row.age === null) return none(row);
  if (row.stale) return badge("doubt", `stale ${span(row.age)}`, "the venue can't be read: these are the last positions known");
  if (row.lost) return badge("doubt", `stale ${span(row.age)}`, "the connection is lost: this is what was read last");
  return span(row.age);
}

function positions(desk, rows) {
  const order = desk.form.get("book order") ?? { by: "Account", down: false };
  const sort = { ...order, change: set(desk, "book order") };
  const inOrder = sorted(desk.isLive ? rows : rows.map((row) => ({ ...row, lost: true })), COLUMNS, order, compare);
  const shown = desk.form.get("book all") ? inOrder : inOrder.slice(0, MOST_ROWS);
  const rowOf = (row) => ({
    class: [row.frozen.length && "frozen", (row.stale || row.unread) && "faded"].filter(Boolean).join(" ") || undefined,
    title: row.frozen.length ? `frozen: ${row.frozen.join(", ")}` : undefined,
  });
  return [
    table({ label: "Positions of all accounts", columns: COLUMNS, rows: shown, keyOf: (row) => row.key, rowOf, sort }),
    shown.length < rows.length && h("button", { type: "button", onclick: () => set(desk, "book all")(true) }, `show all ${rows.length} rows`),
  ];
}

/** What the rows hold that are shown, by currency. */
function totals(rows) {
  const open = rows.filter((row) => row.symbol);
  const side = (name) => sumsByCurrency(open.filter((row) => row.side === name).map((row) => [row.currency.notional, row.notional]));
  const [long, short] = [side("long"), side("short")];
  const pnl = sumsByCurrency(open.map((row) => [row.currency.pnl, row.unrealized_pnl]));
  const accounts = new Set(rows.map((row) => row.account)).size;
  const doubtful = rows.filter((row) => row.stale || row.unread || row.parts.length).length;
  return h("dl", { class: "totals", "aria-label": "Totals of the rows below, by currency" },
    h("div", {}, h("dt", {}, "Held"), h("dd", {}, count(open.length, "position", "positions"), h("small", {}, `in ${count(accounts, "account", "accounts")}`))),
    tile("Long", long), tile("Short", short), tile("Unrealized PnL", pnl, { sign: true }),
    doubtful > 0 && h("div", { class: "doubt" }, h("dt", {}, "In doubt"), h("dd", {}, count(doubtful, "row", "rows"), h("small", {}, "stale or not read whole: the sums hold their last known values"))));
}

function tile(title, sums, options = {}) {
  const lines = [...sums].map(([currency, value]) => h("dd", { key: currency }, amount(value, "", { ...options, unit: currency })));
  return h("div", {}, h("dt", {}, title), lines.length ? lines : h("dd", { class: "quiet" }, "nothing open"));
}

function nothing(all) {
  return all.length
    ? empty("No row fits the filter", `${count(all.length, "row is", "rows are")} left out. Clear the filter to see them.`)
    : empty("There is no account to show", "No account is registered here, or this token is limited to accounts that are not.");
}
