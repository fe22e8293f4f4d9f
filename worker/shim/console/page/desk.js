/*
 * All that the page knows: whom it works for, the connection, the book, what it has read and what it has asked for.
 */

import { ask } from "./api.js";
import { Commands } from "./commands.js";
import { EventStream } from "./events.js";
import { Holdings } from "./holdings.js";
import { Incidents } from "./incidents.js";
import { Reading } from "./reading.js";
import { readToken } from "./session.js";

const TICK_MS = 1_000;
const FORGOTTEN_MS = 60_000;
const AT_ONCE = new Set(["freeze", "epoch", "stream", "venue"]);

export class Desk {
  /** `draw` is called whenever there is something new to show. */
  constructor(draw) {
    this._draw = draw;
    this._drawing = false;
    this.session = null;
    this.problem = null;
    this.connection = { state: "connecting", since: performance.now(), why: null, heard: null };
    this.holdings = new Holdings();
    this.incidents = new Incidents(this);
    this.commands = new Commands(this);
    this.progress = new Map();
    this._readings = new Map();
    this.form = new Map();
  }

  /** Begin with a token that is there. */
  async begin() {
    if (readToken() === null) return this.changed();
    try {
      this.problem = null;
      this.session = (await ask("/console/session")).data;
      this.holdings.setClock(this.session.time);
    } catch (error) {
      this.problem = error;
      if (error.isSilence) setTimeout(() => this.begin(), 2_000);
      return this.changed();
    }
    this.commands.resume();
    this._timer = setInterval(() => this._tick(), TICK_MS);
    this.changed();
    await this._follow();
  }

  /** What is read at this path: asked now if it is new, and again every so many ms, and after events of these types. */
  read(path, query = {}, { every = 10_000, after = [] } = {}) {
    const name = `${path}?${JSON.stringify(query)}`;
    let reading = this._readings.get(name);
    if (!reading) {
      reading = new Reading(path, query, { every, after }, this);
      this._readings.set(name, reading);
      reading.refresh();
    }
    reading.wantedAt = performance.now();
    return reading;
  }

  /** The accounts that are served, by id. */
  get accounts() { return this.read("/accounts", {}, { every: 10_000, after: [...AT_ONCE, "positions"] }); }

  /** Something has changed: the page is drawn before long, once for many changes. */
  changed() {
    if (this._drawing) return;
    this._drawing = true;
    setTimeout(() => { this._drawing = false; this._draw(); }, 30);
  }

  /** A question has failed. One without any answer makes the connection doubtful, and a token that ended ends all. */
  failed(error) {
    if (error.isSilence) this._stream?.doubt(error.message);
    if (error.status === 401) { this.problem = error; this.end(); }
  }

  end() {
    clearInterval(this._timer);
    this._stream?.close();
    this.incidents.close();
    this.session = null;
    this._readings.clear();
    this.changed();
  }

  /** Whether this token may ask for an operation, and this service has it. */
  can(operation) { return this.session?.operations.includes(operation) ?? false; }

  /** Whether it may change anything at all; who may not sees no button. */
  get mayAct() { return this.can("set_leverage") || this.can("freeze"); }

  get isLive() { return this.connection.state === "live"; }

  async _follow() {
    const from = await this._readBook();
    if (this.session === null) return;
    this._stream = new EventStream({ heard: (type, event) => this._heard(type, event), turned: (...told) => this._turned(...told) });
    await this._stream.follow(from);
  }

  /** The book, however often it takes; and where the events go on behind it. */
  async _readBook() {
    const book = this.read("/snapshots", {}, { every: 15_000 });
    for (;;) {
      await book.refresh();
      if (book.data !== null || this.session === null) return this._took(book);
      if (book.problem?.isSilence) this._turned("lost", book.problem.message);
      await new Promise((done) => setTimeout(done, 1_000));
    }
  }

  _took(book) {
    if (book.data !== null && book.data !== this._book) {
      this._book = book.data;
      this.holdings.read(book.data);
    }
    return book.data?.next_offset;
  }

  _heard(type, event) {
    this.connection.heard = performance.now();
    if (type === "positions") this.holdings.heard(event);
    if (type === "margin") this.holdings.margin(event);
    if (type === "terms") this.progress.set(event.data.command_id, event.data);
    if (type === "result") this.commands.heard(event);
    for (const reading of this._readings.values()) if (reading.isAbout(type, event)) reading.refresh();
    this.changed();
  }

  _turned(state, why) {
    if (state === this.connection.state) return;
    this.connection = { ...this.connection, state, why, since: performance.now() };
    if (state === "live") for (const reading of this._readings.values()) reading.refresh();
    this.changed();
  }

  _tick() {
    const at = performance.now();
    this._took(this.read("/snapshots", {}, { every: 15_000 }));
    for (const [name, reading] of this._readings) {
      if (at - reading.wantedAt > FORGOTTEN_MS) this._readings.delete(name);
      else if (reading.isDue(at) && at - reading.wantedAt < 3 * TICK_MS) reading.refresh();
    }
    this.commands.tick();
    this.changed();
  }
}
