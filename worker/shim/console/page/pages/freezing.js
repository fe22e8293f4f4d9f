/*
 * Freezing and unfreezing, with a reason; of an account, a venue or everything. What became of it is read, not assumed.
 */

import { exchange, dataOf } from "../api.js";
import { h } from "../elements.js";

/** What freezes an account; nothing for who may not. */
export function freezing(desk, served) {
  if (!desk.can("freeze")) return null;
  const own = `account:${served.exchange_account_id}`;
  const scope = { exchange_account_id: served.exchange_account_id };
  return h("section", { class: "sheet", "aria-label": "Freeze" }, h("h2", {}, "Freeze"),
    served.frozen.includes(own) ? thaw(desk, scope, own) : freeze(desk, scope, own));
}

/** A form that freezes one scope: a button, and once it is pressed the reason. */
export function freeze(desk, scope, name, after = () => {}) {
  if (!desk.form.get("freezing")) {
    return h("p", { class: "acts" }, h("button", { type: "button", onclick: () => { desk.form.set("freezing", true); desk.changed(); } }, "Freeze…"),
      h("span", { class: "hint" }, "Refuses every change from the answer on; reads go on. ( f )"));
  }
  const reason = desk.form.get("reason") ?? "";
  const send = (event) => { event.preventDefault(); if (reason.trim()) act(desk, "POST", { body: { ...scope, reason: reason.trim() } }, name).then(after); };
  return h("form", { class: "freeze", onsubmit: send },
    h("label", { class: "field" }, h("span", {}, "Reason, told to everybody who is refused"),
      h("input", { id: "reason", value: reason, maxlength: "500", autocomplete: "off", required: true,
        oninput: (event) => { desk.form.set("reason", event.target.value); desk.changed(); } })),
    h("button", { type: "submit", class: "primary", disabled: !reason.trim() }, `Freeze ${name}`),
    h("button", { type: "button", class: "quiet", onclick: () => { desk.form.delete("freezing"); desk.changed(); } }, "leave it"),
    told(desk, name));
}

export function thaw(desk, scope, name) {
  return h("p", {}, h("button", { type: "button", onclick: () => act(desk, "DELETE", { query: scope }, name) }, `Unfreeze ${name}`), told(desk, name));
}

function told(desk, name) {
  const said = desk.form.get(`freeze ${name}`);
  return said ? h("span", { class: said.doubt ? "notice doubt inline" : "hint", role: "status" }, ` ${said.words}`) : null;
}

/** Ask for it. A lost answer is no answer: what is in force is read until it shows. */
export async function act(desk, method, content, name) {
  const say = (words, doubt = false) => { desk.form.set(`freeze ${name}`, { words, doubt }); desk.changed(); };
  say("asked; in flight…", true);
  try {
    const data = dataOf(await exchange(method, "/freeze", content));
    const left = data.under_way.length ? `; still at the venue: ${data.under_way.join(", ")}` : "";
    say(`${data.frozen ? "frozen" : "not frozen any more"}${data.changed ? "" : ", as it was"}${left}`, data.under_way.length > 0);
    desk.form.delete("freezing");
    desk.form.delete("reason");
  } catch (error) {
    say(error.isSilence ? "no answer: what is in force shows above as soon as it can be read" : error.message, true);
    desk.failed(error);
  }
  desk.accounts.refresh();
}
