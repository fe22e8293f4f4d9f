/*
 * The venues as the worker that answers finds them: health, what is left of their limits, streams; and that worker.
 */

import { h } from "../elements.js";
import { accountLink, badge, empty, stamp, table, trouble } from "../parts.js";
import { count, dash, span, when } from "../wording.js";
import { list } from "./timeline.js";
import { section } from "./account.js";

const SCARCE = 0.2;

export const venues = {
  name: "venues",
  title: "Venues",
  view(desk) {
    const reading = desk.read("/status", {}, { every: 5_000, after: ["venue", "stream"] });
    const status = reading.data;
    if (status === null) return trouble(reading) ?? empty("Being read", "The first answer is on its way.");
    return [
      h("div", { class: "bar" }, h("h2", { class: "large" }, "Venues"), stamp(desk, reading)),
      trouble(reading),
      h("div", { class: "cards" }, status.venues.map((venue) => card(status, venue))),
      streams(status), worker(status),
    ];
  },
};

function card(status, venue) {
  const limits = (status.limits ?? []).filter((row) => row.exchange === venue.exchange && row.network === venue.network);
  const title = venue.network === "mainnet" ? venue.exchange : `${venue.exchange} ${venue.network}`;
  const kind = venue.health === "up" ? "" : venue.health === "down" ? "danger" : "doubt";
  return h("section", { class: "sheet", key: title, "aria-label": title },
    h("h2", {}, title, " ", badge(kind, venue.health)),
    venue.reason && h("p", { class: "notice doubt" }, venue.reason),
    list([["Since", when(venue.since)], ["Markets", venue.markets_loaded ? "loaded" : badge("doubt", "not loaded")],
      ["Read on schedule", venue.snapshot_interval_ms ? `every ${span(venue.snapshot_interval_ms)}` : "never"], ["Streams", told(status, venue)]]),
    h("h3", {}, "Left of its limits"),
    limits.length ? limits.map(limit) : h("p", { class: "hint" }, "This worker has asked nothing that is counted yet."));
}

function told(status, venue) {
  const rows = status.streams.filter((row) => row.exchange === venue.exchange);
  const states = ["live", "blind", "none"].map((state) => [state, rows.filter((row) => row.state === state).length]).filter(([, number]) => number);
  return states.length ? states.map(([state, number]) => (state === "blind" ? badge("doubt", `${number} blind`) : `${number} ${state === "none" ? "polled" : state} `)) : dash("no account of it is followed");
}

function limit(row) {
  const known = row.limit !== null && row.left !== null && row.limit > 0;
  const part = known ? Math.max(0, Math.min(1, row.left / row.limit)) : 0;
  const scarce = row.closed_for_ms > 0 || (known && part < SCARCE);
  const words = known ? `${row.left.toLocaleString("en")} of ${row.limit.toLocaleString("en")}` : "not counted";
  return h("div", { class: scarce ? "limit scarce" : "limit", key: `${row.scope} ${row.by_user}` },
    h("span", { class: "name" }, row.scope, row.by_user && h("small", { class: "quiet" }, " by user, the least")),
    h("span", { class: "figures" }, row.closed_for_ms > 0 ? `closed for ${span(row.closed_for_ms)}` : words),
    known && h("meter", { min: "0", max: String(row.limit), value: String(row.left), "aria-label": `${row.scope}: ${words} left` }));
}

function streams(status) {
  const columns = [
    { title: "Account", cell: (row) => accountLink(row.exchange_account_id) },
    { title: "Stream", cell: (row) => (row.state === "blind" ? badge("doubt", "blind") : h("span", { class: `stream ${row.state}` }, row.state === "none" ? "polled" : row.state)) },
    { title: "Since", cell: (row) => when(row.since) },
    { title: "Read beside", figures: true, cell: (row) => (row.poll_interval_ms ? `every ${span(row.poll_interval_ms)}` : "never") },
    { title: "Why", class: "text", cell: (row) => row.reason ?? "" },
  ];
  return section("Streams by account", status.streams.length ? table({ label: "Streams by account", columns, rows: status.streams, keyOf: (row) => row.exchange_account_id }) : empty("No stream", "No account is followed by its venue's private streams, or none that this token may see."));
}

function worker(status) {
  return section("The worker that answered", status.ledger_problem && h("p", { class: "notice danger" }, status.ledger_problem), status.registry_problem && h("p", { class: "notice doubt" }, status.registry_problem),
    list([["Name", h("code", {}, status.worker)], ["Ready", status.ready ? "yes" : badge("danger", "no")], ["Ledger", status.ledger_writes ? "can be written" : badge("danger", "can't be written")],
      ["Events to publish", count(status.outbox, "event waits", "events wait")], ["Accounts", String(status.accounts)]]));
}
