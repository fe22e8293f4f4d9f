/*
 * What this tab has asked for. A command has its id before it is sent, and keeps it: one whose answer is lost is in
 * flight until its record tells what became of it, and is never sent again but under that id.
 */

import { ask, exchange, Refused } from "./api.js";

const KEPT = "perps-dma.commands";
const LOOK_MS = 2_000;

export class Commands {
  constructor(desk) {
    this._desk = desk;
    this._rows = [];
  }

  /** The newest first. */
  get all() { return this._rows; }

  get inFlight() { return this._rows.filter((row) => row.state === "in flight"); }

  /** Go on with what this tab had in flight when it was loaded. */
  resume() {
    this._rows = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]").map((row) => ({ ...row, sending: false }));
  }

  /** Send a new command, with the reason for the audit where there is one; one that is long is not waited for (`async`). Resolves when it is answered, or the answer is lost. */
  send({ path, body, title, why = "", async = false }) {
    const row = { id: newId(), path, body, title, why, async, state: "in flight", sent: Date.now(), sending: false, note: null };
    this._rows.unshift(row);
    return this._send(row);
  }

  /** The same command once more, under its own id: what was done is told again, and not done twice. */
  sendAgain(row) { return this._send(row); }

  dismiss(row) {
    this._rows = this._rows.filter((other) => other !== row);
    this._keep();
  }

  /** A result event: the end of a command, whoever lost its answer. */
  heard({ data }) {
    const row = this._rows.find((one) => one.id === data.command_id);
    if (row) this._ended(row, data.outcome, data.envelope.message);
  }

  tick() {
    const at = performance.now();
    for (const row of this.inFlight) {
      if (row.sending || at < (row.lookAt ?? 0)) continue;
      row.lookAt = at + LOOK_MS;
      this._look(row);
    }
  }

  async _send(row) {
    row.sending = true;
    row.note = null;
    this._keep();
    try {
      const headers = { "Idempotency-Key": row.id, ...(row.why ? { "Audit-Reason": encodeURIComponent(row.why) } : {}), ...(row.async ? { Prefer: "respond-async" } : {}) };
      const { status, headers: told, envelope } = await exchange("POST", row.path, { body: row.body, headers });
      const outcome = told.get("Outcome");
      if (outcome || !isOpen(status, envelope.error?.code)) this._ended(row, outcome ?? "refused", envelope.message.replace(/^Error - /, ""));
      else row.note = envelope.message.replace(/^Error - /, "");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      row.note = `${error.message}: whether it was taken is not known`;
      this._desk.failed(error);
    }
    row.sending = false;
    this._keep();
    return row;
  }

  /** What its record says. */
  async _look(row) {
    try {
      const { data } = await ask(`/commands/${encodeURIComponent(row.id)}`);
      if (data.state === "finished") this._ended(row, data.outcome, data.message);
      else row.note = `a worker has it: ${data.state}`;
    } catch (error) {
      if (error.code === "unknown_command") row.note = "no worker knows it yet; it may never have arrived";
    }
    this._keep();
  }

  _ended(row, outcome, message) {
    Object.assign(row, { state: "answered", outcome, message, note: null });
    this._keep();
  }

  _keep() {
    sessionStorage.setItem(KEPT, JSON.stringify(this._rows.slice(0, 50)));
    this._desk.changed();
  }
}

/** A 5xx without an outcome says nothing of what became of the command, but for these: nothing was sent. */
const UNSENT = new Set(["no_worker", "overloaded"]);

function isOpen(status, code) { return status === 202 || (status >= 500 && !UNSENT.has(code)); }

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
