/*
 * Dead letters, where this service tells them over HTTP: what could not be carried out, to be sent again or dropped, with
 * a reason that lands in the audit.
 */

import { ask } from "../api.js";
import { h } from "../elements.js";
import { empty, stamp, table, trouble } from "../parts.js";
import { dash, when } from "../wording.js";

export function deadLetters(desk) {
  if (!desk.can("get_dead_letters")) return null;
  const reading = desk.read("/dead-letters", {}, { every: 15_000, after: ["dead-letters"] });
  const rows = reading.data?.dead_letters ?? [];
  const columns = [
    { title: "Died", cell: (row) => (row.at === null ? dash("nobody says") : when(row.at)) },
    { title: "Sent to", cell: (row) => row.operation },
    { title: "Account", cell: (row) => row.exchange_account_id ?? dash("it names none") },
    { title: "By", cell: (row) => row.actor ?? dash("the bus does not say") },
    { title: "Why", class: "text", cell: (row) => row.reason },
    { title: "Body", class: "text", cell: (row) => (row.body === null ? dash("it is no text") : h("code", {}, row.body)) },
    ...(desk.can("requeue_dead_letter") ? [{ title: "", class: "wide", cell: (row) => settle(desk, row, reading) }] : []),
  ];
  return h("section", { class: "sheet", "aria-label": "Dead letters" }, h("h2", {}, "Dead letters"), stamp(desk, reading), trouble(reading),
    reading.data && (rows.length ? table({ label: "Dead letters", columns, rows, keyOf: (row) => row.letter_id }) : empty("No dead letter", "Whatever was sent could be carried out, or its sender was told why not.")),
    reading.data?.more && h("p", { class: "hint" }, "There are more behind these."));
}

function settle(desk, row, reading) {
  const asked = desk.form.get("letter");
  const said = desk.form.get(`letter ${row.letter_id}`);
  const begin = (what) => () => { desk.form.set("letter", { id: row.letter_id, what }); desk.form.delete("why"); desk.changed(); };
  if (asked?.id !== row.letter_id) {
    return [h("button", { type: "button", onclick: begin("requeue") }, "requeue…"), " ", h("button", { type: "button", onclick: begin("drop") }, "drop…"), said && h("span", { class: "quiet", role: "status" }, ` ${said}`)];
  }
  const why = desk.form.get("why") ?? "";
  const send = async (event) => {
    event.preventDefault();
    const say = (words) => { desk.form.set(`letter ${row.letter_id}`, words); desk.changed(); };
    desk.form.delete("letter");
    say("asked; in flight…");
    try {
      await ask(`/dead-letters/${encodeURIComponent(row.letter_id)}/${asked.what}`, { reason: why.trim() }, { method: "POST" });
      say(asked.what === "requeue" ? "sent again" : "dropped");
    } catch (error) {
      say(error.isSilence ? "no answer: the list shows whether it is still there" : error.message);
      desk.failed(error);
    }
    reading.refresh();
  };
  return h("form", { onsubmit: send },
    h("input", { "aria-label": "Reason", placeholder: "reason, for the audit", value: why, required: true, maxlength: "500", oninput: (event) => { desk.form.set("why", event.target.value); desk.changed(); } }), " ",
    h("button", { type: "submit", class: "primary", disabled: !why.trim() }, asked.what), " ",
    h("button", { type: "button", class: "quiet", onclick: () => { desk.form.delete("letter"); desk.changed(); } }, "leave it"));
}
