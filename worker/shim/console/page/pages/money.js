/*
 * Funding and realized PnL: by account, symbol and day, bars and their running sum, all records as CSV.
 */

import { h } from "../elements.js";
import { chart } from "../chart.js";
import { History, byDay, bySymbol, csv, sums } from "../history.js";
import { badge, choice, empty, table } from "../parts.js";
import { amount, count, dash, span, when } from "../wording.js";
import { section } from "./account.js";

const KINDS = { funding: ["/funding-history", "payments", "Funding"], pnl: ["/realized-pnl", "entries", "Realized PnL"] };
const DAY_MS = 86_400_000;
const SPANS = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["365", "a year"]];

export const money = {
  name: "money",
  title: "Funding & PnL",
  short: "PnL",
  view(desk) {
    const accounts = desk.accounts.data?.accounts.map((row) => row.exchange_account_id) ?? [];
    const chosen = {
      account: desk.form.get("money account") ?? accounts[0] ?? "", kind: desk.form.get("money kind") ?? "funding",
      days: desk.form.get("money days") ?? "30", symbol: desk.form.get("money symbol") ?? "",
    };
    const set = (name) => (value) => { desk.form.set(`money ${name}`, value); desk.changed(); };
    const history = desk.form.get("money history");
    return [
      h("form", { class: "bar", onsubmit: (event) => { event.preventDefault(); begin(desk, chosen); } },
        choice({ label: "Account", value: chosen.account, change: set("account"), choices: accounts.map((name) => [name, name]) }),
        choice({ label: "Show", value: chosen.kind, change: set("kind"), choices: Object.entries(KINDS).map(([name, [, , title]]) => [name, title]) }),
        choice({ label: "Of the last", value: chosen.days, change: set("days"), choices: SPANS }),
        h("label", { class: "choice" }, h("span", {}, "Symbol"), h("input", { id: "filter", value: chosen.symbol, placeholder: "all", size: 16, autocomplete: "off", spellcheck: "false", onchange: (event) => set("symbol")(event.target.value.trim()) })),
        h("button", { type: "submit", class: "primary", disabled: !chosen.account }, "Read")),
      history ? shown(desk, history) : empty("Nothing has been read yet", "Records are asked of the venue, page by page. Choose an account and a span, and press Read."),
    ];
  },
};

function begin(desk, { account, kind, days, symbol }) {
  desk.form.get("money history")?.stop();
  const [path, list, title] = KINDS[kind];
  const until = Math.floor(desk.holdings.now());
  const history = new History(desk, { path, list, query: { exchange_account_id: account, symbol: symbol || undefined }, since: until - Number(days) * DAY_MS, until });
  Object.assign(history, { account, title });
  desk.form.set("money history", history);
  history.run();
}

function shown(desk, history) {
  const currencies = [...sums(history.rows).keys()];
  return [
    progress(history),
    history.rows.length === 0 && history.state === "whole" && empty("No record", `The venue has none of this account in the span, whole from ${new Date(history.coveredFrom ?? history.since).toISOString()}.`),
    history.rows.length > 0 && totals(history),
    h("div", { class: "charts" }, currencies.map((currency) => currencyView(history, currency))),
    history.rows.length > 0 && symbols(history),
    history.rows.length > 0 && records(desk, history),
  ];
}

function progress(history) {
  const words = { reading: "being read…", waiting: `the venue's limit is used up: goes on in ${span(Math.max(0, (history.goesOn ?? 0) - performance.now()))}`, whole: "all read", stopped: "stopped: what follows is a part", broken: "broken off: what follows is a part" }[history.state];
  const partial = history.state !== "whole";
  return h("div", { class: "reading", role: "status" },
    h("strong", {}, `${history.title} of ${history.account}`), badge(partial ? "doubt" : "", words), h("span", { class: "quiet" }, count(history.rows.length, "record", "records")),
    partial && h("progress", { value: String(Math.round(history.progress * 1000)), max: "1000", "aria-label": "How much of the span is read" }),
    (history.state === "reading" || history.state === "waiting") && h("button", { type: "button", onclick: () => history.stop() }, "stop"),
    (history.state === "stopped" || history.state === "broken") && h("button", { type: "button", onclick: () => history.run() }, "go on"),
    history.state === "whole" && h("button", { type: "button", onclick: () => save(history) }, "CSV"),
    history.problem && history.state === "broken" && h("p", { class: "notice doubt", role: "alert" }, history.problem.message),
    [...history.notes].map((note) => h("p", { class: "notice doubt", key: note }, `Not read whole: ${note}`)),
    whole(history));
}

/** For which stretch it is whole, as the service has computed it. */
function whole(history) {
  if (history.coveredFrom === null || history.coveredTo === null) return history.rows.length ? h("p", { class: "hint" }, "For no stretch does the service say that nothing is missing.") : null;
  const late = history.coveredFrom > history.since;
  return h("p", { class: late ? "notice doubt" : "hint" }, "Nothing is missing from ", when(history.coveredFrom), " to ", when(history.coveredTo), late ? ": the venue keeps no older ones" : "", ".");
}

function totals(history) {
  return h("dl", { class: "totals", "aria-label": "Sums by currency" }, [...sums(history.rows)].map(([currency, value]) => h("div", { key: currency },
    h("dt", {}, history.title), h("dd", {}, amount(value, "", { sign: true, unit: currency }), h("small", {}, count(history.rows.filter((row) => row.code === currency).length, "record", "records"))))));
}

function currencyView(history, currency) {
  const rows = history.rows.filter((row) => row.code === currency);
  const days = byDay(rows, history.since, history.until);
  const columns = [
    { title: "Day", cell: (row) => row.day },
    { title: history.title, figures: true, cell: (row) => amount(row.amount, "", { sign: true }) },
    { title: "Sum", figures: true, cell: (row) => amount(row.running, "", { sign: true }) },
  ];
  return section(`By day, ${currency}`, chart({ days, currency, label: history.title }),
    h("details", { key: "days" }, h("summary", {}, "the figures, day by day"), table({ label: `By day in ${currency}`, columns, rows: days.filter((day) => day.amount !== "0").reverse(), keyOf: (row) => row.day })));
}

function symbols(history) {
  const columns = [
    { title: "Symbol", cell: (row) => row.symbol ?? dash("the venue names no market") },
    { title: "Records", figures: true, cell: (row) => String(row.records) },
    { title: "Sum", figures: true, cell: (row) => amount(row.amount, "", { sign: true, unit: row.code }) },
  ];
  return section("By symbol", table({ label: "By symbol", columns, rows: bySymbol(history.rows), keyOf: (row) => row.name }));
}

function records(desk, history) {
  const columns = [
    { title: "At", cell: (row) => when(row.timestamp) },
    { title: "Symbol", cell: (row) => row.symbol ?? dash("the venue names no market") },
    { title: "Amount", figures: true, cell: (row) => amount(row.amount, "", { sign: true, unit: row.code }) },
    { title: "Id", cell: (row) => h("code", {}, row.id) },
  ];
  const newest = [...history.rows].reverse().slice(0, 100);
  return section("Records", table({ label: "Records", columns, rows: newest, keyOf: (row, index) => `${row.id} ${row.symbol} ${row.timestamp} ${row.amount}` }),
    history.rows.length > newest.length && h("p", { class: "hint" }, `The newest ${newest.length} of ${history.rows.length}; the CSV has all of them.`));
}

function save(history) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv(history.account, history.rows)], { type: "text/csv" }));
  link.download = `${history.account}-${history.title.toLowerCase().replaceAll(" ", "-")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
