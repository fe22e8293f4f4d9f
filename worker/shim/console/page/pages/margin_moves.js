/*
 * Margin into an isolated position and out of it: now → then. Moves money, so it is asked twice and sent once.
 */

import { add, compare, isAmount, plain, sign, subtract } from "../exact.js";
import { h } from "../elements.js";
import { currenciesOf } from "../holdings.js";
import { stamp, trouble } from "../parts.js";
import { amount } from "../wording.js";

const WAYS = {
  add: { path: "/margin/add", operation: "add_margin", button: "Add", word: "add", count: add },
  remove: { path: "/margin/remove", operation: "remove_margin", button: "Remove", word: "remove", count: subtract },
};

/** One line for each isolated position that is held; nothing for who may not, and where the venue has none. */
export function movingMargin(desk, served) {
  const ways = Object.values(WAYS).filter((way) => desk.can(way.operation));
  if (!ways.length || !served.capabilities.includes("isolated_margin")) return null;
  const told = (desk.holdings.snapshots.get(served.exchange_account_id)?.positions ?? []).filter(isIsolated);
  // The figure that money is counted from is read of the venue, and not taken out of the last snapshot.
  const reading = told.length ? desk.read("/positions", { exchange_account_id: served.exchange_account_id }, { every: 30_000, after: ["result", "positions"] }) : null;
  const held = (reading?.data?.positions ?? []).filter(isIsolated);
  return h("section", { class: "sheet", "aria-label": "Margin of isolated positions" }, h("h2", {}, "Margin of isolated positions"),
    reading && stamp(desk, reading), reading && trouble(reading),
    held.map((position) => line(desk, served, position, ways)),
    !told.length && h("p", { class: "quiet" }, "No open position is isolated."),
    held.length > 0 && h("p", { class: "hint" }, "Moves money, once. What the venue does not let out is its refusal; one whose outcome stays unknown is never repeated: look at the position."));
}

function isIsolated(position) { return position.margin_mode === "isolated"; }

function line(desk, served, position, ways) {
  const name = `margin of ${position.symbol} ${position.side}`;
  const given = desk.form.get(name) ?? "";
  const valid = /^\d+(\.\d+)?$/.test(given) && sign(given) > 0;
  const asked = desk.form.get(`${name} asked`);
  const currency = currenciesOf(position.symbol).pnl;
  const set = (field, value) => { desk.form.set(field, value); desk.changed(); };
  const meant = ways.find((way) => way.word === asked);
  const now = position.collateral;
  const then = valid && meant && isAmount(now) ? meant.count(now, given) : null;
  const send = () => {
    desk.form.delete(name);
    desk.form.delete(`${name} asked`);
    desk.commands.send({
      path: meant.path, title: `${served.exchange_account_id} ${position.symbol} ${position.side}: ${meant.word} ${plain(given)} ${currency} of margin`,
      body: { exchange_account_id: served.exchange_account_id, symbol: position.symbol, amount: Number(given), position_side: position.side },
    });
  };
  return h("div", { class: "turn", key: name, role: "group", "aria-label": name },
    h("span", { class: "what wide" }, `${position.symbol} ${position.side}`),
    h("span", { class: "now" }, amount(now, "the venue does not tell the margin of this position", { unit: currency })),
    then !== null && [h("span", { class: "arrow", "aria-hidden": "true" }, "→"), h("span", { class: compare(then, 0) < 0 ? "then danger" : "then" }, amount(then, "", { unit: currency }))],
    h("input", { class: "then", "aria-label": `How much ${currency}, ${position.symbol} ${position.side}`, inputmode: "decimal", autocomplete: "off", placeholder: "amount", value: given,
      oninput: (event) => { desk.form.delete(`${name} asked`); set(name, event.target.value.trim()); } }),
    ways.map((way) => (way === meant && valid
      ? h("button", { type: "button", class: "primary", key: way.word, onclick: send }, `${way.button} ${plain(given)} ${currency} now`)
      : h("button", { type: "button", key: way.word, disabled: !valid || !isExactly(given), onclick: () => set(`${name} asked`, way.word) }, way.button))),
    valid && !isExactly(given) && h("p", { class: "hint danger" }, "An amount of so many digits can't be sent from here exactly."));
}

/** Whether a number of JSON says just this amount. */
function isExactly(given) { return compare(String(Number(given)), given) === 0; }
