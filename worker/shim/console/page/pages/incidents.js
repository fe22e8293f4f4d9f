/*
 * Doubts and incidents: what is in doubt, what is frozen, what has drifted, what was denied, what could not be delivered.
 */

import { ask } from "../api.js";
import { h } from "../elements.js";
import { accountLink, badge, choice, empty, filterField, stamp, table, trouble } from "../parts.js";
import { count, dash, span, when } from "../wording.js";
import { deadLetters } from "./letters.js";
import { act, freeze } from "./freezing.js";
import { section } from "./account.js";

export const incidents = {
  name: "incidents",
  title: "Doubts & incidents",
  short: "Doubts",
  view(desk) {
    desk.incidents.follow();
    return [doubts(desk), freezes(desk), deadLetters(desk), happened(desk), audit(desk)];
  },
};

/* Doubts */

function doubts(desk) {
  const reading = desk.read("/doubts", {}, { every: 5_000, after: ["result", "doubt"] });
  const rows = reading.data?.doubts ?? [];
  return section("Settings in doubt", stamp(desk, reading), trouble(reading),
    reading.data && (rows.length ? table({ label: "Settings in doubt", columns: doubtColumns(desk), rows, keyOf: (row) => row.command_id })
      : empty("Nothing is in doubt", "Every command that was sent has been confirmed, refused, or read back.")));
}

function doubtColumns(desk) {
  return [
    { title: "Account", cell: (row) => accountLink(row.exchange_account_id) },
    { title: "About", cell: (row) => row.symbol ?? row.asset ?? "all assets" },
    { title: "Wanted", cell: (row) => badge("doubt", Object.entries(row.wanted).filter(([name]) => !["exchange_account_id", "symbol", "market_type"].includes(name)).map(([, value]) => value).join(" ") || row.operation) },
    { title: "Since", cell: (row) => when(row.since) },
    { title: "Asked", figures: true, cell: (row) => count(row.tries, "time", "times") },
    { title: "Again", cell: (row) => when(row.next_look) },
    { title: "Why not known", class: "text", cell: (row) => row.problem ?? dash("it was not asked yet") },
    { title: "Command", cell: (row) => h("a", { href: `#/commands/${encodeURIComponent(row.command_id)}` }, row.operation) },
    ...(desk.mayAct ? [{ title: "Now", class: "wide", cell: (row) => readNow(desk, row) }] : []),
  ];
}

/** Ask the venue now; what it answers ends the doubt. */
function readNow(desk, row) {
  const said = desk.form.get(`read ${row.command_id}`);
  const read = async () => {
    const say = (words) => { desk.form.set(`read ${row.command_id}`, words); desk.changed(); };
    say("asking…");
    try { say(await inForce(row)); } catch (error) { say(`not known: ${error.message}`); desk.failed(error); }
  };
  return [h("button", { type: "button", onclick: read }, "read now"), said && h("span", { class: "quiet", role: "status" }, ` ${said}`)];
}

async function inForce(row) {
  const exchange_account_id = row.exchange_account_id;
  if (row.symbol) {
    const { data } = await ask("/leverage", { exchange_account_id, symbol: row.symbol });
    return `${data.leverage ?? "no leverage"}${data.leverage === null ? "" : "×"}, ${data.margin_mode}`;
  }
  const { data } = await ask("/portfolio-margin/balance", { exchange_account_id });
  const wallets = Object.entries(data.assets).filter(([asset]) => !row.asset || asset === row.asset).map(([asset, told]) => `${asset} in futures ${told.um_futures.wallet ?? "?"}`);
  return wallets.join(", ") || "no balance";
}

/* Freezes */

function freezes(desk) {
  if (!desk.can("get_freezes")) return frozenAccounts(desk);
  const reading = desk.read("/freeze", {}, { every: 10_000, after: ["freeze", "epoch"] });
  const rows = reading.data?.freezes ?? [];
  const columns = [
    { title: "Scope", cell: (row) => h("strong", {}, row.scope) },
    { title: "Reason", class: "text", cell: (row) => row.reason },
    { title: "By", cell: (row) => row.actor ?? dash("nobody was named") },
    { title: "Since", cell: (row) => when(row.since) },
    ...(desk.can("unfreeze") ? [{ title: "", cell: (row) => h("button", { type: "button", onclick: () => act(desk, "DELETE", { query: scopeOf(row.scope) }, row.scope).then(() => reading.refresh()) }, "unfreeze") }] : []),
  ];
  return section("Freezes", stamp(desk, reading), trouble(reading),
    reading.data && (rows.length ? table({ label: "Freezes", columns, rows, keyOf: (row) => row.scope, rowOf: () => ({ class: "frozen" }) })
      : empty("Nothing is frozen", "Changes of every account are let through.")),
    desk.can("freeze") && desk.session.accounts === null && wider(desk, reading));
}

function frozenAccounts(desk) {
  const rows = (desk.accounts.data?.accounts ?? []).filter((row) => row.frozen.length);
  const columns = [{ title: "Account", cell: (row) => accountLink(row.exchange_account_id) }, { title: "Frozen by", cell: (row) => row.frozen.join(", ") }];
  return section("Freezes", stamp(desk, desk.accounts), rows.length ? table({ label: "Frozen accounts", columns, rows, keyOf: (row) => row.exchange_account_id, rowOf: () => ({ class: "frozen" }) })
    : empty("None of your accounts is frozen", "Reasons and the freezes of others are for admins and viewers of all accounts."));
}

function wider(desk, reading) {
  const venues = [...new Set((desk.accounts.data?.accounts ?? []).map((row) => row.exchange))].sort();
  const chosen = desk.form.get("freeze scope") ?? venues[0] ?? "all";
  const scope = chosen === "all" ? { all: true } : { exchange: chosen };
  return h("div", { class: "turn" },
    choice({ label: "Freeze", value: chosen, change: (value) => { desk.form.set("freeze scope", value); desk.changed(); }, choices: [...venues.map((name) => [name, `all of ${name}`]), ["all", "everything"]] }),
    freeze(desk, scope, chosen === "all" ? "everything" : `all of ${chosen}`, () => reading.refresh()));
}

function scopeOf(scope) {
  const [kind, ...name] = scope.split(":");
  return kind === "account" ? { exchange_account_id: name.join(":") } : kind === "exchange" ? { exchange: name.join(":") } : { all: true };
}

/* What has happened */

const TITLES = { drift: "drift", risk: "risk", threshold: "margin", keep: "keeping", "sweeps-missed": "sweeps missed", doubt: "doubt ended", stream: "stream", venue: "venue", freeze: "freeze", denial: "denial", "dead-letters": "dead letters", epoch: "epoch" };
const FIRST = 40;
const MARKED = { drift: "doubt", risk: "danger", threshold: "danger" };

function happened(desk) {
  const type = desk.form.get("incident type") ?? "";
  const words = (desk.form.get("incidents") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const rows = desk.incidents.rows.filter((row) => (!type || row.type === type) && words.every((word) => JSON.stringify(row.event.data).toLowerCase().includes(word)));
  const shown = desk.form.get("all incidents") ? rows.length : FIRST;
  const columns = [
    { title: "At", cell: (row) => when(Date.parse(row.event.time)) },
    { title: "What", cell: (row) => badge(MARKED[row.type] ?? (row.event.data.state === "blind" ? "doubt" : ""), TITLES[row.type] ?? row.type) },
    { title: "Of", cell: (row) => (row.event.data.exchange_account_id ? accountLink(row.event.data.exchange_account_id) : row.event.data.exchange ?? row.event.data.scope ?? row.event.subject) },
    { title: "Told", class: "text", cell: (row) => told(row.type, row.event.data) },
  ];
  return section("The last day, and from now on", h("div", { class: "bar" }, filterField(desk, "incidents", "Filter  ( / )"),
    choice({ label: "Kind", value: type, change: (value) => { desk.form.set("incident type", value); desk.changed(); }, choices: [["", "all"], ...Object.entries(TITLES)] }),
    h("p", { class: desk.incidents.state === "live" ? "stamp" : "stamp stale" }, desk.incidents.state === "live" ? "live" : "not live")),
    rows.length ? table({ label: "Incidents", columns, rows: rows.slice(0, shown), keyOf: (row) => row.key })
      : desk.incidents.state !== "live" ? empty("Not known now", "The events are not followed at the moment.") : empty("Nothing has been told", desk.incidents.rows.length ? "No incident of the last day fits the filter." : "No drift, risk, denial, freeze or trouble with a venue has come of the last day, as far as this token may see."),
    rows.length > shown && h("p", { class: "more" }, h("button", { type: "button", onclick: () => { desk.form.set("all incidents", true); desk.changed(); } }, `show all ${rows.length}`)));
}

function told(type, data) {
  if (type === "drift") return data.positions.map((row) => `${row.symbol} ${row.side}: ${changed("leverage", row.leverage_before, row.leverage)}${changed("margin", row.margin_mode_before, row.margin_mode)}, known by ${data.known_by}`).join("; ");
  if (type === "risk") return `${data.kind.replaceAll("_", " ")}${data.level ? ` ${data.level}` : ""} ${data.symbols.join(", ")} ${Object.entries(data.figures).map(([name, value]) => `${name} ${value}`).join(", ")}`;
  if (type === "threshold") return `${data.pool}: margin ratio ${data.margin_ratio ?? "not told"} crossed ${data.threshold}, ${data.level_before} → ${data.level}`;
  if (type === "keep") return `version ${data.version} ${data.state}${data.reason ? `: ${data.reason}` : ""}, by ${data.actor ?? "nobody named"}`;
  if (type === "sweeps-missed") return Object.entries(data).filter(([name]) => !name.startsWith("exchange")).map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(", ");
  if (type === "doubt" || type === "epoch") return data.message ?? data.reason;
  if (type === "stream") return `${data.state}${data.reason ? `: ${data.reason}` : ""}${data.gap ? `, was blind for ${span(data.gap.end - data.gap.begin)}` : ""}`;
  if (type === "venue") return `${data.health}${data.reason ? `: ${data.reason}` : ""}`;
  if (type === "freeze") return `${data.frozen ? "frozen" : "unfrozen"}${data.reason ? `: ${data.reason}` : ""}, by ${data.actor ?? "nobody named"}`;
  if (type === "denial") return `${count(data.count, "request", "requests")} of ${data.actor ?? "nobody known"} denied (${data.reason}): ${data.operation}`;
  return `${data.action ?? ""} ${(data.letters ?? []).join(", ")} ${(data.reasons ?? []).join("; ")} by ${data.actor ?? ""}`;
}

function changed(what, before, after) {
  return before === after || after === null ? "" : `${what} ${before ?? "?"} → ${after} `;
}

/* Audit */

function audit(desk) {
  if (!desk.can("get_audit")) return null;
  const reading = desk.read("/audit", { limit: 100 }, { every: 15_000, after: ["freeze", "denial", "dead-letters", "result"] });
  const rows = reading.data?.entries ?? [];
  const columns = [
    { title: "At", cell: (row) => when(row.at) },
    { title: "Who", cell: (row) => row.actor ?? dash("nobody was named, or no token was found good") },
    { title: "Did", cell: (row) => badge("", row.action) },
    { title: "About", cell: (row) => row.subject },
    { title: "More", class: "text", cell: (row) => Object.entries(row.details).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ") },
  ];
  return section("Audit", stamp(desk, reading), trouble(reading),
    reading.data && (rows.length ? table({ label: "Audit", columns, rows, keyOf: (row) => `${row.at} ${row.subject} ${JSON.stringify(row.details)}` }) : empty("The audit is empty", "Nobody has frozen anything, and nobody was denied anything.")));
}
