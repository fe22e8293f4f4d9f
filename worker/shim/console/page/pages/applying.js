/*
 * Terms that are being applied, by whoever: how far that has come, by its events and its record, and what came of the last.
 */

import { ask } from "../api.js";
import { h } from "../elements.js";
import { outcomeBadge } from "../flight.js";
import { accountLink, badge, empty, stamp, table, trouble } from "../parts.js";
import { dash, when } from "../wording.js";
import { section } from "./account.js";

const LAST = 5;

/** The one that this tab has asked for; else one that is under way, whoever asked for it. */
export function applied(desk) {
  const underWay = lately(desk)?.data?.commands.find((row) => row.state !== "finished");
  const id = desk.form.get("terms applied") ?? underWay?.command_id ?? null;
  if (id === null) return null;
  const reading = desk.read(`/commands/${encodeURIComponent(id)}`, {}, { every: 2_000, after: ["result"] });
  if (reading.data === null) return section("Apply", reading.problem?.code === "unknown_command" ? h("p", { class: "quiet" }, "It has not reached a worker yet.") : trouble(reading));
  return section("Apply", stamp(desk, reading), progressOf(desk, id, reading));
}

function progressOf(desk, id, reading) {
  const row = reading.data;
  const progress = further(desk.progress.get(id), row.progress);
  const said = desk.form.get(`cancel ${id}`);
  return h("div", { class: "reading" }, accountLink(row.exchange_account_id), row.outcome ? outcomeBadge(row.outcome) : badge("doubt", "under way"),
    progress && h("span", {}, `${progress.done} of ${progress.total}`),
    progress && !row.outcome && h("progress", { value: String(progress.done), max: String(Math.max(1, progress.total)), "aria-label": "How many symbols are done" }),
    progress && h("span", { class: "quiet" }, countsOf(progress)),
    progress?.symbol && !row.outcome && h("span", { class: "quiet" }, `last ${progress.symbol}`),
    !row.outcome && desk.can("cancel_command") && h("button", { type: "button", onclick: () => cancel(desk, row, reading) }, "stop before the next symbol"),
    said && h("span", { class: "hint", role: "status" }, said),
    h("a", { href: `#/commands/${encodeURIComponent(id)}` }, "its way"), row.message && h("p", {}, row.message));
}

/** Events and the record tell the same, each at its own time: what has come further is the later. */
function further(told, recorded) {
  return told && recorded ? (told.done > recorded.done ? told : recorded) : told ?? recorded ?? null;
}

function countsOf({ counts }) {
  return Object.entries(counts).map(([outcome, number]) => `${number} ${outcome.replace("_", " ")}`).join(", ");
}

async function cancel(desk, row, reading) {
  const say = (words) => { desk.form.set(`cancel ${row.command_id}`, words); desk.changed(); };
  say("asked to stop…");
  try {
    const { data } = await ask(`/commands/${encodeURIComponent(row.command_id)}`, { exchange_account_id: row.exchange_account_id }, { method: "DELETE" });
    say(data.cancelled ? "it stops before its next symbol" : "it had ended already");
  } catch (error) {
    say(error.isSilence ? "no answer: whether it stops shows here" : error.message);
    desk.failed(error);
  }
  reading.refresh();
}

/* The last ones */

function lately(desk) {
  return desk.can("get_commands") ? desk.read("/commands", { operation: "apply_terms", limit: LAST }, { every: 10_000, after: ["result", "terms"] }) : null;
}

const COLUMNS = [
  { title: "Received", cell: (row) => when(row.received) },
  { title: "Account", cell: (row) => accountLink(row.exchange_account_id) },
  { title: "By", cell: (row) => row.actor ?? dash("nobody was named") },
  { title: "Outcome", cell: (row) => (row.outcome ? outcomeBadge(row.outcome) : badge("doubt", "under way")) },
  { title: "Ended", cell: (row) => (row.finished ? when(row.finished) : dash("it is under way")) },
  { title: "What was told", class: "text", cell: (row) => row.message ?? "" },
  { title: "Command", cell: (row) => h("a", { href: `#/commands/${encodeURIComponent(row.command_id)}` }, "its way") },
];

/** By people and by the keeper, the newest first. */
export function appliedLately(desk) {
  const reading = lately(desk);
  if (reading === null) return null;
  const rows = reading.data?.commands ?? [];
  return section("Applied lately", stamp(desk, reading), trouble(reading),
    reading.data && (rows.length ? table({ label: "Applied lately", columns: COLUMNS, rows, keyOf: (row) => row.command_id })
      : empty("No terms were applied", "Neither by people nor by the keeper, as far as commands are kept.")));
}
