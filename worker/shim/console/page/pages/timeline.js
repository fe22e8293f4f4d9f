/*
 * The way of one command: received → its turn on its account → the venue's permit → sent → confirmed → event. All of it
 * as it was recorded; what was not recorded is a dash.
 */

import { h } from "../elements.js";
import { outcomeBadge } from "../flight.js";
import { said } from "./commands.js";
import { accountLink, badge, empty, stamp, trouble } from "../parts.js";
import { dash, exactly, shortSpan, when } from "../wording.js";

export function timeline(desk, id) {
  const reading = desk.read(`/commands/${encodeURIComponent(id)}`, {}, { every: 3_000, after: ["result", "doubt"] });
  const back = h("p", {}, h("a", { href: "#/commands" }, "← all commands"));
  if (reading.data === null) return [back, reading.problem?.code === "unknown_command" ? empty("No such command", reading.problem.message) : trouble(reading) ?? empty("It is being read", id)];
  const row = reading.data;
  return [back,
    h("div", { class: "bar" }, h("h2", { class: "large" }, row.operation.replaceAll("_", " ")), row.outcome ? outcomeBadge(row.outcome) : badge("doubt", row.state), accountLink(row.exchange_account_id), stamp(desk, reading)),
    trouble(reading),
    h("section", { class: "sheet", "aria-label": "Its way" }, h("h2", {}, "Its way"), way(row)),
    h("div", { class: "columns even" }, facts(row), outcome(desk, row)),
    row.doubt && doubt(row.doubt), row.resolution && resolution(row.resolution),
  ];
}

/** The steps: title, instant, what is to be said of it. A step that was never taken has none. */
function stepsOf(row) {
  const t = row.timings;
  const ended = row.finished !== null;
  const confirmed = row.confirmed_by !== null;
  return [
    ["received", row.received, "a worker has it, and its record"],
    ["lane", t?.turn ?? null, "its turn on its account", ended ? "it never had its turn" : "waits for its turn, or is under way: told at its end"],
    ["permit", t?.permit ?? null, "the venue's limits had room", ended ? "nothing was asked of the venue" : "told at its end"],
    ["sent", t ? t.sent : row.intended, t ? attempts(row.attempts) : "recorded, and about to leave", ended ? "nothing was sent" : "not yet"],
    [confirmed || !ended ? "confirmed" : "answered", t?.answered ?? null, confirmed ? `by ${row.confirmed_by.replace("_", " ")}` : "the venue's last answer, or the end of waiting for it", ended ? "the venue was not asked" : "not yet"],
    ["recorded", row.finished, "result and event, in one transaction", "not yet"],
    ["event", row.event_published ? row.finished : null, "the broker has confirmed it; when is not recorded", ended ? "it waits in the outbox for the broker" : "not yet", row.event_published],
  ];
}

function attempts(number) {
  return number === 1 ? "one attempt" : `${number} attempts; this is the first`;
}

function way(row) {
  const steps = stepsOf(row);
  const first = row.received;
  let before = first;
  return h("ol", { class: "way" }, steps.map(([title, at, note, missing, done]) => {
    const known = at !== null && at !== undefined;
    const since = known && done === undefined ? at - before : null;
    if (known && done === undefined) before = Math.max(before, at);
    return h("li", { key: title, class: known ? "done" : row.finished === null ? "open" : "skipped" },
      h("span", { class: "step" }, title),
      h("span", { class: "at" }, known ? (done ? "published" : exactly(at)) : dash(missing)),
      h("span", { class: "since" }, since === null ? "" : title === "received" ? "" : `+${shortSpan(Math.max(0, since))}`),
      h("span", { class: "note" }, known ? note : missing));
  }));
}

function facts(row) {
  const left = row.deadline - (row.finished ?? Date.now());
  const pairs = [
    ["Command id", h("code", {}, row.command_id)],
    ["Trace id", row.trace ? h("code", {}, row.trace.split("-")[1]) : dash(row.outcome ? "its sender gave none, and none was made" : "told at its end")],
    ["Event id", h("code", {}, row.event_id)],
    ["Actor", row.actor ?? dash("nobody was named")],
    ["Received", exactly(row.received)],
    ["Deadline", h("span", {}, when(row.deadline), row.finished !== null && left >= 0 ? `, ${shortSpan(left)} to spare` : "")],
    ["Waited for the venue", row.timings ? shortSpan(Number(row.timings.venue)) : dash("told at its end")],
  ];
  return h("section", { class: "sheet", "aria-label": "Facts" }, h("h2", {}, "Facts"), list(pairs));
}

function outcome(desk, row) {
  const pairs = [
    ["Asked for", values(row.requested)],
    ["In force by it", row.applied ? values(row.applied) : dash(row.outcome ? "nothing was confirmed" : "it has not ended")],
    ["Known by", row.confirmed_by ? row.confirmed_by.replace("_", " ") : dash("nothing was confirmed")],
    ["Reaches", row.scope ?? dash("nothing was confirmed")],
    ["Venue's code", row.venue_code ?? dash("the venue gave none")],
    ["Told", row.message === null ? dash("it has not ended") : said(row.message)],
  ];
  return h("section", { class: "sheet", "aria-label": "Outcome" }, h("h2", {}, "Outcome"), list(pairs));
}

export function list(pairs) {
  return h("dl", { class: "pairs" }, pairs.map(([title, value]) => h("div", { key: title }, h("dt", {}, title), h("dd", {}, value))));
}

function values(fields) {
  const told = Object.entries(fields).filter(([, value]) => value !== null && typeof value !== "object");
  return told.map(([name, value]) => h("div", { key: name }, h("span", { class: "quiet" }, `${name.replaceAll("_", " ")} `), String(value)));
}

function doubt(state) {
  return h("section", { class: "sheet doubtful", "aria-label": "Doubt" }, h("h2", {}, "In doubt"),
    h("p", {}, `What is in force is not known since `, when(state.since), `. The venue was asked ${state.tries} times since, and is asked again at `, when(state.next_look), "."),
    state.problem && h("p", { class: "quiet" }, state.problem));
}

function resolution(end) {
  return h("section", { class: "sheet", "aria-label": "How its doubt ended" }, h("h2", {}, "How its doubt ended"), h("p", {}, end.message),
    list([["In force", end.in_force ? values(end.in_force) : dash("a sweep leaves nothing in force")],
      ["As wanted", end.as_wanted === null ? dash("it can't be known") : end.as_wanted ? "yes" : "no"], ["Known by", end.confirmed_by.replace("_", " ")], ["Read", when(end.as_of)]]));
}
