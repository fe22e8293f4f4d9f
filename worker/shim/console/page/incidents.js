/*
 * What has happened beside the commands: of the last day, and from now on, out of the same stream of events.
 */

import { EventStream } from "./events.js";

const TYPES = "drift,risk,threshold,keep,sweeps-missed,doubt,stream,venue,freeze,denial,dead-letters,epoch";
const FROM = "24h";
const MOST = 1_000;

export class Incidents {
  constructor(desk) {
    this._desk = desk;
    this.rows = [];
    this.state = "connecting";
  }

  /** Follow them from now on; asked for by who shows them. */
  follow() {
    if (this._stream) return;
    this._stream = new EventStream({
      query: { types: TYPES },
      heard: (type, event) => this._heard(type, event),
      turned: (state) => { this.state = state; this._desk.changed(); },
    });
    this._stream.follow(FROM);
  }

  close() {
    this._stream?.close();
    this._stream = null;
    this.rows = [];
  }

  _heard(type, event) {
    this.rows.unshift({ type, event, key: `${event.id} ${this.rows.length}` });
    this.rows.length = Math.min(this.rows.length, MOST);
    this._desk.changed();
  }
}
