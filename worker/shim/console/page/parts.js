/*
 * What several pages have: tables that become cards, stamps that say how old what is shown is, badges, empty states.
 */

import { h } from "./elements.js";
import { span } from "./wording.js";

/** A table. A column: its title, `cell(row)`, whether it holds figures; `rowOf(row)` gives a row's attributes. */
export function table({ label, columns, rows, rowOf = () => ({}), keyOf, sort }) {
  return h("div", { class: "table" },
    h("table", { role: "table" },
      h("caption", { class: "unseen" }, label),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((column) => heading(column, sort)))),
      h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row", key: keyOf(row), ...rowOf(row) },
        columns.map((column) => cell(column, row)))))));
}

function heading(column, sort) {
  const attributes = { scope: "col", role: "columnheader", class: column.figures ? "figures" : undefined };
  if (!sort || !column.by) return h("th", attributes, column.title);
  const direction = sort.by === column.title ? (sort.down ? "descending" : "ascending") : undefined;
  const turn = () => sort.change({ by: column.title, down: sort.by === column.title ? !sort.down : Boolean(column.figures) });
  return h("th", { ...attributes, "aria-sort": direction },
    h("button", { class: "sort", type: "button", onclick: turn }, column.title));
}

function cell(column, row) {
  const attributes = { role: "cell", "data-label": column.title, class: column.figures ? "figures" : column.class };
  return h("td", attributes, column.cell(row));
}

/** Rows in the order that was chosen. `by` of a column gives what is compared; what is not known comes last. */
export function sorted(rows, columns, { by, down }, compare) {
  const column = columns.find((one) => one.title === by);
  if (!column?.by) return rows;
  return [...rows].sort((a, b) => {
    const [x, y] = [column.by(a), column.by(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = column.figures ? compare(x, y) : String(x).localeCompare(String(y));
    return down ? -order : order;
  });
}

/** How old a reading is; an alarm while the connection is lost, or while it can't be read again. */
export function stamp(desk, reading) {
  if (reading.readAt === null) return reading.problem ? null : h("p", { class: "stamp" }, "being read…");
  const age = span(performance.now() - reading.readAt);
  const old = !desk.isLive || reading.problem !== null;
  return h("p", { class: old ? "stamp stale" : "stamp", role: "status" }, old ? `stale: read ${age} ago` : `read ${age} ago`);
}

export function badge(kind, words, title) {
  return h("span", { class: `badge ${kind}`, title }, words);
}

export function empty(title, why, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "title" }, title), h("p", {}, why), more);
}

/** Why a reading failed, in the service's own words. */
export function trouble(reading) {
  const error = reading.problem;
  if (!error) return null;
  if (error.status === 403) return empty("Not for this token", error.message);
  return h("p", { class: "notice doubt", role: "alert" }, error.isSilence ? "No answer: " : "", error.message);
}

/** A field to filter by, which `/` goes to. */
export function filterField(desk, name, placeholder) {
  return h("input", {
    type: "search", class: "filter", id: "filter", placeholder, "aria-label": "Filter", autocomplete: "off", spellcheck: "false",
    value: desk.form.get(name) ?? "",
    oninput: (event) => { desk.form.set(name, event.target.value); desk.changed(); },
  });
}

/** A choice among few; `choices` are pairs of value and words. */
export function choice({ label, value, choices, change }) {
  return h("label", { class: "choice" }, h("span", {}, label),
    h("select", { value, "aria-label": label, onchange: (event) => change(event.target.value) },
      choices.map(([name, words]) => h("option", { key: name, value: name }, words))));
}

export function accountLink(account) {
  return h("a", { href: `#/account/${encodeURIComponent(account)}`, class: "account" }, account);
}
