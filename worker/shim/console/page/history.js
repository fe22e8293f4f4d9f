/*
 * A long history, read page by page: how far it is, and for which stretch it is whole as the service says.
 */

import { ask } from "./api.js";
import { add, sumsByCurrency } from "./exact.js";

const PAUSE_MS = 10_000;

export class History {
  constructor(desk, { path, list, query, since, until }) {
    Object.assign(this, { path, list, query, since, until });
    this.rows = [];
    this.state = "reading";
    this.problem = null;
    this.notes = new Set();
    this.coveredTo = null;
    this.coveredFrom = null;
    this._desk = desk;
  }

  /** How much of the span is read, of 1. */
  get progress() {
    if (this.state === "whole") return 1;
    const reached = this.rows.at(-1)?.timestamp ?? this.since;
    return Math.min(1, Math.max(0, (reached - this.since) / Math.max(1, this.until - this.since)));
  }

  stop() { if (this.state === "reading" || this.state === "waiting") this.state = "stopped"; this._desk.changed(); }

  /** Read on, until there is no more or somebody stops it. What was read stays, whatever happens. */
  async run() {
    this.state = "reading";
    this.problem = null;
    try {
      do await this._page(); while (this._cursor !== null && this.state === "reading");
      if (this.state === "reading") this.state = "whole";
    } catch (error) {
      if (error.status === 429 && this.state === "reading") return this._wait(error);
      this.state = "broken";
      this.problem = error;
      this._desk.failed(error);
    }
    this._desk.changed();
  }

  /** The venue's limit is used up: go on when there is room, and not before. */
  async _wait(error) {
    const ms = Math.max(1_000, error.retryAfterMs ?? PAUSE_MS);
    Object.assign(this, { state: "waiting", problem: error, goesOn: performance.now() + ms });
    this._desk.changed();
    await new Promise((done) => setTimeout(done, ms));
    if (this.state === "waiting") await this.run();
  }

  async _page() {
    const query = { ...this.query, since: this.since, limit: 1000, cursor: this._cursor ?? undefined };
    const { data, headers } = await ask(this.path, query, { patience: 60_000 });
    this._take(data[this.list]);
    this.coveredFrom ??= number(headers.get("Coverage-From"));
    this.coveredTo = number(headers.get("Coverage-To")) ?? this.coveredTo;
    if (headers.get("Coverage-Unread")) this.notes.add(headers.get("Coverage-Unread"));
    this._cursor = headers.get("Next-Cursor");
    this._desk.changed();
  }

  _take(rows) {
    const known = new Set(this.rows.map(idOf));
    this.rows = [...this.rows, ...rows.filter((row) => !known.has(idOf(row)))].sort((a, b) => a.timestamp - b.timestamp);
  }
}

function idOf(row) { return `${row.id} ${row.code} ${row.symbol} ${row.timestamp} ${row.amount}`; }

function number(text) { return text === null ? null : Number(text); }

export const dayOf = (timestamp) => new Date(timestamp).toISOString().slice(0, 10);

/** Of one currency: each day with what it brought and the sum so far, days without any included. */
export function byDay(rows, from, to) {
  const brought = new Map();
  for (const row of rows) brought.set(dayOf(row.timestamp), add(brought.get(dayOf(row.timestamp)) ?? "0", row.amount));
  const days = [];
  let running = "0";
  for (let at = Date.parse(dayOf(from)); at <= to; at += 86_400_000) {
    const day = dayOf(at);
    running = add(running, brought.get(day) ?? "0");
    days.push({ day, amount: brought.get(day) ?? "0", running });
  }
  return days;
}

/** By symbol and currency: the sum, and how many records it is of. */
export function bySymbol(rows) {
  const found = new Map();
  for (const row of rows) {
    const name = `${row.symbol ?? ""} ${row.code}`;
    const group = found.get(name) ?? { name, symbol: row.symbol, code: row.code, records: 0, amount: "0" };
    found.set(name, { ...group, records: group.records + 1, amount: add(group.amount, row.amount) });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function sums(rows) { return sumsByCurrency(rows.map((row) => [row.code, row.amount])); }

/** All records, as text that a spreadsheet reads, amounts digit by digit. */
export function csv(account, rows) {
  const lines = rows.map((row) => [new Date(row.timestamp).toISOString(), account, row.symbol ?? "", row.amount, row.code, row.id]);
  return [["time", "account", "symbol", "amount", "currency", "id"], ...lines].map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}

/** A field that a spreadsheet would take for a formula is made text; an amount is none. */
function quoted(field) {
  const text = String(field);
  const safe = /^[=+@\t\r]/.test(text) || (text.startsWith("-") && !/^-?[\d.]+(e[+-]?\d+)?$/i.test(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
