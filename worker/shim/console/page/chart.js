/*
 * Bars by day with the running sum, in one currency. Lengths are rough; what is read stands beside them, exactly.
 */

import { h } from "./elements.js";
import { roughly, sign, signed } from "./exact.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [900, 220, 8, 30];

/** A day: its name, its amount, the sum so far. */
export function chart({ days, currency, label }) {
  const [bars, line] = [scale(days.map((day) => day.amount)), scale(days.map((day) => day.running))];
  const step = (WIDTH - 2 * LEFT) / Math.max(1, days.length);
  const x = (index) => LEFT + step * index;
  const points = days.map((day, index) => `${(x(index) + step / 2).toFixed(1)},${line(day.running).toFixed(1)}`).join(" ");
  return h("figure", { class: "chart" },
    h("figcaption", {}, h("span", {}, label), h("span", { class: "quiet" }, ` in ${currency}: bars by day, the line is their sum, each on its own scale`)),
    h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${label} in ${currency}, ${days.length} days; the table below has the figures` },
      h("line", { class: "axis", x1: LEFT, x2: WIDTH - LEFT, y1: bars("0"), y2: bars("0") }),
      days.map((day, index) => bar(day, x(index), step, bars, currency)),
      h("polyline", { class: "sum", points }),
      marks(days, x, step)));
}

function bar(day, x, step, bars, currency) {
  const [zero, end] = [bars("0"), bars(day.amount)];
  const width = Math.max(1, Math.min(26, step * 0.7));
  return h("rect", { key: day.day, class: sign(day.amount) < 0 ? "bar down" : "bar", x: x + (step - width) / 2, width, y: Math.min(zero, end), height: Math.max(sign(day.amount) === 0 ? 0 : 1, Math.abs(zero - end)) },
    h("title", {}, `${day.day}: ${signed(day.amount)} ${currency}, sum ${signed(day.running)}`));
}

/** Where an amount lies, with zero always in sight. */
function scale(amounts) {
  const numbers = amounts.map(roughly);
  const [low, high] = [Math.min(0, ...numbers), Math.max(0, ...numbers)];
  const span = high - low || 1;
  const room = HEIGHT - BOTTOM - 12;
  return (amount) => 6 + room - ((roughly(amount) - low) / span) * room;
}

function marks(days, x, step) {
  const every = Math.max(1, Math.ceil(days.length / 9));
  return days.map((day, index) => (index % every ? null : h("text", { key: `mark ${day.day}`, class: "mark", x: index ? x(index) + step / 2 : LEFT, y: HEIGHT - 6, "text-anchor": index ? "middle" : "start" }, day.day.slice(5))));
}
