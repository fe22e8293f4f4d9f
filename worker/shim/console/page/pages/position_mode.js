/*
 * Whether long and short are netted or kept apart: by account, settle currency or market, as the venue keeps it.
 */

import { h } from "../elements.js";
import { stamp, trouble } from "../parts.js";
import { mayBeRefused } from "../refusals.js";

const WORDS = { one_way: "one-way", hedge: "hedge" };

/** The modes of an account's parts, each now → then; nothing where the service or the venue has none. */
export function positionMode(desk, served) {
  if (!desk.can("get_position_mode") || !served.capabilities.includes("position_mode")) return null;
  const id = served.exchange_account_id;
  const reading = desk.read("/position-mode", { exchange_account_id: id }, { every: 60_000, after: ["result", "drift"] });
  const may = desk.can("set_position_mode");
  return h("section", { class: "sheet", "aria-label": "Position mode" }, h("h2", {}, "Position mode"), stamp(desk, reading), trouble(reading),
    reading.data?.parts.map((part, index) => line(desk, id, part, may && (part.scope !== "account" || index === 0))),
    reading.data && may && h("p", { class: "hint" }, mayBeRefused(served.exchange, "position_mode")),
    reading.data?.expected && reading.data.expected !== reading.data.position_mode
      && h("p", { class: "notice doubt" }, `The registry expects ${WORDS[reading.data.expected]}; nothing is set because of it.`));
}

function line(desk, id, { scope, part, position_mode: now }, may) {
  const then = now === "hedge" ? "one_way" : "hedge";
  const named = scope === "account" ? {} : { [scope]: part };
  const send = () => desk.commands.send({
    path: "/position-mode", body: { exchange_account_id: id, position_mode: then, ...named },
    title: `${id}${scope === "account" ? "" : ` ${part}`}: position mode ${WORDS[now]} → ${WORDS[then]}`,
  });
  return h("div", { class: "turn", key: part },
    h("span", { class: "what wide" }, part === id ? "whole account" : part),
    h("span", { class: "now" }, WORDS[now]),
    may && [h("span", { class: "arrow", "aria-hidden": "true" }, "→"), h("button", { type: "button", onclick: send }, `Set ${WORDS[then]}`)]);
}
