/*
 * The events as they come, by Server-Sent Events over fetch: EventSource can send no token.
 *
 *   connecting ─▶ live ─▶ lost (since when) ─▶ live again, behind the last event that was heard: none is missing
 *
 * A connection that says nothing for longer than the service's comments are apart is lost, whatever the browser thinks.
 */

import { openEvents } from "./api.js";
import { parse } from "./exact.js";

const SILENCE_MS = 25_000;
const PAUSES_MS = [250, 1_000, 2_000, 5_000];

export class EventStream {
  /** `heard` is told of each event that the query asks for; `turned` of each change of the connection. */
  constructor({ heard, turned, query = {} }) {
    this._query = query;
    this._heard = heard;
    this._turned = turned;
    this._last = null;
    this._stop = null;
    this.state = "connecting";
    this.since = Date.now();
  }

  /** Follow from a place in the stream, until closed. */
  async follow(from) {
    const stop = (this._stop = new AbortController());
    for (let failures = 0; !stop.signal.aborted; failures += 1) {
      const began = Date.now();
      const reason = await this._read(from, stop.signal);
      if (stop.signal.aborted) return;
      if (reason.status === 401 || reason.status === 403) { this._turn("refused", reason.message); return; }
      this._turn("lost", reason.message);
      if (Date.now() - began > SILENCE_MS) failures = 0;
      await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)], stop.signal);
    }
  }

  close() { this._stop?.abort(); }

  /** Nobody answers: said by whoever asked for something else. */
  doubt(why) {
    if (this.state === "live") this._reading?.abort(new Error(why));
  }

  async _read(from, stopped) {
    const reading = (this._reading = new AbortController());
    const end = () => reading.abort();
    stopped.addEventListener("abort", end, { once: true });
    let watch;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => reading.abort(new Error("the service has gone silent")), SILENCE_MS);
    };
    try {
      alive();
      const body = await openEvents({ query: this._query, from, last: this._last, signal: reading.signal });
      this._turn("live", null);
      const lines = new Lines((event) => this._take(event));
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        alive();
        lines.feed(part.value);
      }
      return new Error("the service has ended the stream");
    } catch (error) {
      if (reading.signal.aborted && reading.signal.reason instanceof Error) return reading.signal.reason;
      return error instanceof TypeError ? new Error("no connection to the service") : error;
    } finally {
      clearTimeout(watch);
      stopped.removeEventListener("abort", end);
    }
  }

  _take({ id, event, data }) {
    this._last = Number(id);
    this._heard(event, parse(data));
  }

  _turn(state, why) {
    if (state === this.state) return;
    this.state = state;
    this.since = Date.now();
    this._turned(state, why);
  }
}

/** The lines of a stream of events, put together from whatever pieces they come in. */
export class Lines {
  constructor(told) {
    this._told = told;
    this._rest = "";
    this._fields = {};
  }

  feed(text) {
    const lines = (this._rest + text).split(/\r?\n/);
    this._rest = lines.pop();
    for (const line of lines) this._line(line);
  }

  _line(line) {
    if (line === "") {
      const fields = this._fields;
      this._fields = {};
      if (fields.data !== undefined) this._told(fields);
    } else if (!line.startsWith(":")) {
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
      this._fields[name] = name === "data" && "data" in this._fields ? `${this._fields.data}\n${value}` : value;
    }
  }
}

function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });
}
