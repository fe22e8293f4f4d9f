/*
 * How instants, ages and figures read. A figure that is not known is a dash, with the reason for who points at it.
 */

import { grouped, isAmount, signed } from "./exact.js";
import { h } from "./elements.js";

export const DASH = "–";

/** How long: 4 s, 3 min, 2 h, 5 d. */
export function span(ms) {
  if (ms === null || ms === undefined) return DASH;
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** A short span, in milliseconds as far as they matter. */
export function shortSpan(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 100_000 ? `${(ms / 1000).toFixed(2)} s` : span(ms);
}

/** An instant, UTC: its time, and its day unless that is today's. */
export function instant(ms) {
  if (ms === null || ms === undefined) return DASH;
  const [day, time] = new Date(ms).toISOString().split("T");
  const today = new Date().toISOString().slice(0, 10);
  return day === today ? time.slice(0, 8) : `${day} ${time.slice(0, 8)}`;
}

export function when(ms) {
  if (ms === null || ms === undefined) return dash("nobody has told");
  return h("time", { datetime: new Date(ms).toISOString(), title: new Date(ms).toISOString() }, instant(ms));
}

/** An instant to the millisecond, UTC. */
export function exactly(ms) {
  const text = new Date(ms).toISOString();
  return h("time", { datetime: text, title: text }, `${instant(ms)}${text.slice(19, 23)}`);
}

export function dash(why) {
  return h("span", { class: "none", title: why, "aria-label": `unknown: ${why}` }, DASH);
}

/** An amount with all its digits; a dash where there is none. Zero stands only where zero was read. */
export function amount(value, why, { sign = false, unit = "" } = {}) {
  if (!isAmount(value)) return dash(why);
  return h("span", { class: "amount" }, sign ? signed(value) : grouped(value), unit ? h("span", { class: "unit" }, unit) : null);
}

/** The same where there is little room: what is long is cut, with a mark, and never rounded; all of it shows on demand. */
export function shortAmount(value, why, options = {}) {
  if (!isAmount(value) || grouped(value).length <= ROOM) return amount(value, why, options);
  const whole = options.sign ? signed(value) : grouped(value);
  const shown = `${whole.slice(0, Math.max(ROOM - 1, whole.split(".")[0].length + 1)).replace(/\.$/, "")}…`;
  return h("span", { class: "amount", title: whole }, shown, options.unit ? h("span", { class: "unit" }, options.unit) : null);
}

const ROOM = 11;

export function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}
