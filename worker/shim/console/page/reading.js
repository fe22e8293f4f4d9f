/*
 * What was read of the service, and when: one reading for each question, asked again on a rhythm and after events.
 */

import { ask } from "./api.js";

export class Reading {
  constructor(path, query, { every, after }, desk) {
    this.path = path;
    this.query = query;
    this.every = every;
    this.after = new Set(after);
    this.data = null;
    this.headers = null;
    this.readAt = null;
    this.problem = null;
    this.wantedAt = 0;
    this._desk = desk;
    this._asking = null;
    this._again = false;
  }

  /** Whether it is time to ask again. */
  isDue(at) {
    return this._asking === null && at >= (this._askedAt ?? -Infinity) + this.every;
  }

  /** Whether an event may have changed what this tells; one of another account has not. */
  isAbout(type, { data }) {
    const [own, others] = [this.query.exchange_account_id, data?.exchange_account_id];
    return this.after.has(type) && (!own || !others || own === others);
  }

  /** Ask now; while it is being asked, once more behind that. */
  refresh() {
    if (this._asking !== null) this._again = true;
    else this._asking = this._ask().finally(() => {
      this._asking = null;
      if (this._again) { this._again = false; this.refresh(); }
    });
    return this._asking;
  }

  async _ask() {
    this._askedAt = performance.now();
    try {
      const { data, headers } = await ask(this.path, this.query);
      Object.assign(this, { data, headers, readAt: performance.now(), problem: null });
    } catch (error) {
      this.problem = error;
      this._desk.failed(error);
    }
    this._desk.changed();
  }
}
