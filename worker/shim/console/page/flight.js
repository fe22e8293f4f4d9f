/*
 * What this tab has asked for, on every page: in flight until it is known what became of it.
 */

import { h } from "./elements.js";
import { badge } from "./parts.js";
import { span } from "./wording.js";

export function inFlight(desk) {
  const rows = desk.commands.all;
  if (!rows.length) return null;
  return h("section", { class: "flight", "aria-label": "Asked for in this tab", key: "flight", "aria-live": "polite" },
    rows.slice(0, 5).map((row) => line(desk, row)));
}

function line(desk, row) {
  const open = row.state === "in flight";
  return h("div", { key: row.id, class: "asked" },
    open ? badge("doubt", `in flight ${span(Date.now() - row.sent)}`) : outcomeBadge(row.outcome),
    h("a", { href: `#/commands/${encodeURIComponent(row.id)}` }, row.title),
    h("span", { class: "note" }, open ? row.note ?? "" : row.message),
    open && !row.sending && h("button", { type: "button", onclick: () => desk.commands.sendAgain(row) }, "send again, same id"),
    !open && h("button", { type: "button", class: "quiet", onclick: () => desk.commands.dismiss(row) }, "dismiss"));
}

const DOUBTFUL = new Set(["unknown"]);

export function outcomeBadge(outcome) {
  return badge(DOUBTFUL.has(outcome) ? "doubt" : `outcome ${outcome}`, (outcome ?? "under way").replace("_", " "));
}
