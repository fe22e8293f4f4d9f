/*
 * Commands: those under way and those that ended, and the way of one as it was recorded.
 */

import { ask } from "../api.js";
import { h } from "../elements.js";
import { outcomeBadge } from "../flight.js";
import { accountLink, choice, empty, filterField, stamp, table, trouble } from "../parts.js";
import { dash, shortSpan, when } from "../wording.js";
import { timeline } from "./timeline.js";

const OUTCOMES = ["applied", "unchanged", "partial", "rejected", "precondition_failed", "unsupported", "unknown", "expired"];
const OPERATIONS = ["set_leverage", "set_margin_mode", "set_position_mode", "add_margin", "remove_margin", "apply_terms", "pm_auto_collect", "pm_asset_collect"];
const SINCE = [["", "all that is kept"], ["3600000", "last hour"], ["86400000", "last day"], ["604800000", "last week"]];
const AT_ONCE = 100;

export const commands = {
  name: "commands",
  title: "Commands",
  view(desk, [id]) { return id ? timeline(desk, id) : list(desk); },
};

function list(desk) {
  const query = chosen(desk);
  const reading = desk.read("/commands", query, { every: 10_000, after: ["result"] });
  const older = desk.form.get("older commands");
  const more = older?.of === JSON.stringify(query) ? older : { rows: [], cursor: reading.data?.next_cursor ?? null };
  const rows = [...(reading.data?.commands ?? []), ...more.rows].filter(isMeant(desk));
  return [
    h("div", { class: "bar" }, filterField(desk, "commands", "Filter what is shown: symbol, account, id, message…  ( / )"), choices(desk), stamp(desk, reading)),
    trouble(reading),
    reading.data && (rows.length ? table({ label: "Commands", columns: COLUMNS, rows: unique(rows), keyOf: (row) => row.command_id }) : nothing(reading)),
    reading.data && older?.problem && h("p", { class: "notice doubt", role: "alert" }, older.problem),
    (more.cursor ?? null) !== null && h("button", { type: "button", onclick: () => goOn(desk, query, more) }, "older ones"),
  ];
}

function unique(rows) {
  return [...new Map(rows.map((row) => [row.command_id, row])).values()];
}

function chosen(desk) {
  const get = (name) => desk.form.get(`commands ${name}`) || undefined;
  const since = desk.form.get("commands ended after");
  return { limit: AT_ONCE, outcome: get("outcome"), exchange_account_id: get("account"), operation: get("operation"), actor: get("actor"), since };
}

function choices(desk) {
  const value = (name) => desk.form.get(`commands ${name}`) ?? "";
  const change = (name) => (words) => { desk.form.set(`commands ${name}`, words); desk.form.delete("older commands"); desk.changed(); };
  const ended = (age) => { desk.form.set("commands ended after", age ? Math.floor(desk.holdings.now() - Number(age)) : undefined); change("since")(age); };
  const accounts = (desk.accounts.data?.accounts ?? []).map((row) => [row.exchange_account_id, row.exchange_account_id]);
  const operations = OPERATIONS.map((name) => [name, name.replaceAll("_", " ")]);
  return [
    choice({ label: "Outcome", value: value("outcome"), change: change("outcome"), choices: [["", "any"], ...OUTCOMES.map((name) => [name, name.replace("_", " ")])] }),
    choice({ label: "Account", value: value("account"), change: change("account"), choices: [["", "any"], ...accounts] }),
    choice({ label: "Operation", value: value("operation"), change: change("operation"), choices: [["", "any"], ...operations] }),
    choice({ label: "Ended", value: value("since"), change: ended, choices: SINCE }),
    h("label", { class: "choice" }, h("span", {}, "Actor"), h("input", { value: value("actor"), size: 10, autocomplete: "off", spellcheck: "false", onchange: (event) => change("actor")(event.target.value.trim()) })),
  ];
}

function isMeant(desk) {
  const words = (desk.form.get("commands") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return (row) => {
    const about = JSON.stringify(row).toLowerCase();
    return words.every((word) => about.includes(word));
  };
}

/** The next rows behind those that are shown. */
async function goOn(desk, query, before) {
  const of = JSON.stringify(query);
  try {
    const { data } = await ask("/commands", { ...query, cursor: before.cursor });
    desk.form.set("older commands", { of, rows: [...before.rows, ...data.commands], cursor: data.next_cursor });
  } catch (error) {
    desk.form.set("older commands", { ...before, of, problem: `the older ones were not read: ${error.message}` });
    desk.failed(error);
  }
  desk.changed();
}

export const COLUMNS = [
  { title: "Ended", cell: (row) => (row.finished === null ? h("span", {}, "under way since ", when(row.received)) : when(row.finished)) },
  { title: "Outcome", class: "wide", cell: (row) => h("a", { href: `#/commands/${encodeURIComponent(row.command_id)}`, class: "plain" }, row.outcome ? outcomeBadge(row.outcome) : h("span", { class: "badge doubt" }, row.state)) },
  { title: "Operation", class: "wide", cell: (row) => h("a", { href: `#/commands/${encodeURIComponent(row.command_id)}` }, row.operation.replaceAll("_", " ")) },
  { title: "Account", class: "wide", cell: (row) => accountLink(row.exchange_account_id) },
  { title: "Asked for", class: "wide", cell: wanted },
  { title: "Known by", cell: (row) => (row.confirmed_by ? row.confirmed_by.replace("_", " ") : dash(row.outcome ? "nothing was confirmed" : "it has not ended")) },
  { title: "Took", figures: true, cell: (row) => (row.finished === null ? dash("it has not ended") : shortSpan(row.finished - row.received)) },
  { title: "Actor", cell: (row) => row.actor ?? dash("nobody was named") },
  { title: "Message", class: "text", cell: (row) => (row.message === null ? dash("it has not ended") : h("span", { class: "clamped", title: row.message }, said(row.message))) },
];

/** What was told, without the mark that every error begins with. */
export function said(message) { return message.replace(/^Error - /, ""); }

export function wanted(row) {
  const { symbol, leverage, margin_mode: mode, asset, position_mode: position } = row.requested;
  const value = leverage !== undefined ? `${leverage}×` : mode ?? position ?? (asset === undefined ? "" : asset ?? "all assets");
  return [symbol, value].filter(Boolean).join(" → ") || dash("it names no market");
}

function nothing(reading) {
  return reading.data.next_cursor
    ? empty("None among the newest", "Many commands had to be passed over. Go on with the older ones.")
    : empty("No command", "None is under way, and none that is kept fits what is chosen.");
}

