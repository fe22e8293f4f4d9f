/*
 * What speaks for an account and against it, since when; and the venue, asked anew by who may change something there.
 */

import { ask } from "../api.js";
import { h } from "../elements.js";
import { badge } from "../parts.js";
import { count, dash, shortSpan, span, when } from "../wording.js";
import { section } from "./account.js";

export function checks(desk, served) {
  const id = served.exchange_account_id;
  const readings = {
    status: desk.read("/status", {}, { every: 15_000, after: ["venue", "stream"] }),
    doubts: desk.read("/doubts", {}, { every: 10_000, after: ["result", "doubt"] }),
    freezes: desk.can("get_freezes") ? desk.read("/freeze", {}, { every: 15_000, after: ["freeze"] }) : null,
  };
  const rows = [...ofVenue(served, readings.status.data), ofStream(served), ofPositions(desk, id), ofDoubts(id, readings.doubts.data), ofFreezes(served, readings.freezes?.data)];
  return section("Checks", h("dl", { class: "pairs" }, rows), desk.mayAct && anew(desk, id, Object.values(readings)),
    h("p", { class: "hint" }, "What its key may do at the venue, and its settings there: ", h("code", {}, `perps-dma accounts check ${id}`)));
}

/** One check: what is known, whether it speaks against the account, since when that is so. */
function check(title, kind, words, since = null) {
  if (words === null || words === undefined) return h("div", { key: title }, h("dt", {}, title), h("dd", {}, dash("not told yet")));
  return h("div", { key: title }, h("dt", {}, title), h("dd", {}, kind ? badge(kind, words) : words, since && h("small", { class: "since" }, since)));
}

function since(ms) {
  return ms === null || ms === undefined ? null : ["since ", when(ms)];
}

function ofVenue(served, status) {
  const venue = status?.venues.find((row) => row.exchange === served.exchange && row.network === served.network);
  if (!venue) return [check("Venue"), check("Markets")];
  return [
    check("Venue", venue.health === "up" ? "" : "doubt", `${venue.health}${venue.reason ? `: ${venue.reason}` : ""}`, since(venue.since)),
    check("Markets", venue.markets_loaded ? "" : "doubt", venue.markets_loaded ? "loaded" : "not loaded"),
  ];
}

function ofStream({ stream }) {
  if (!stream) return check("Stream");
  const words = stream.state === "none" ? "polled" : stream.state;
  return check("Stream", stream.state === "blind" ? "doubt" : "", `${words}${stream.reason ? `: ${stream.reason}` : ""}`, since(stream.since));
}

function ofPositions(desk, id) {
  const entry = desk.holdings.snapshots.get(id);
  if (!entry) return check("Positions", "doubt", "never read");
  const words = entry.stale ? "the venue can't be read" : entry.unread?.length ? "not read whole" : `read whole: ${entry.coverage.join(", ")}`;
  return check("Positions", entry.stale || entry.unread?.length ? "doubt" : "", words, `shown by the venue ${span(desk.holdings.age(id))} ago`);
}

function ofDoubts(id, data) {
  if (!data) return check("Doubts");
  const open = data.doubts.filter((row) => row.exchange_account_id === id);
  if (!open.length) return check("Doubts", "", "none");
  return check("Doubts", "doubt", count(open.length, "setting in doubt", "settings in doubt"), since(Math.min(...open.map((row) => row.since))));
}

function ofFreezes({ frozen }, data) {
  if (!frozen.length) return check("Freezes", "", "none");
  const known = (data?.freezes ?? []).filter((row) => frozen.includes(row.scope)).map((row) => row.since);
  return check("Freezes", "", frozen.join(", "), known.length ? since(Math.min(...known)) : null);
}

/** Ask the venue for the positions at once, and the service for all that is checked here. */
function anew(desk, id, readings) {
  const said = desk.form.get(`checked ${id}`);
  const send = async () => {
    const say = (words, doubt = false) => { desk.form.set(`checked ${id}`, { words, doubt, at: performance.now() }); desk.changed(); };
    const began = performance.now();
    say("asking…");
    for (const reading of [desk.accounts, ...readings]) reading?.refresh();
    try {
      const { data } = await ask("/positions", { exchange_account_id: id });
      say(`the venue answered in ${shortSpan(performance.now() - began)}: ${count(data.count, "open position", "open positions")}`);
    } catch (error) {
      say(`not read: ${error.message}`, true);
      desk.failed(error);
    }
  };
  const age = said && !said.words.endsWith("…") ? `; ${span(performance.now() - said.at)} ago` : "";
  return h("p", { class: "acts" }, h("button", { type: "button", onclick: send }, "Ask the venue now"),
    said && h("span", { class: said.doubt ? "notice doubt inline" : "hint", role: "status" }, `${said.words}${age}`));
}
