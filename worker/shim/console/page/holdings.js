/*
 * The newest snapshot of each account: the whole book as it was read, and what the events have told since.
 */

export class Holdings {
  constructor() {
    this.snapshots = new Map();
    this.missing = [];
    this.totals = [];
    this.isRead = false;
    this._ahead = 0;
  }

  /** Milliseconds now by the service's clock, which counts all ages. It is told with each reading, and runs on here. */
  now() {
    return performance.now() + this._ahead;
  }

  /** Set by the service's clock. */
  setClock(utc) {
    this._ahead = utc - performance.now();
  }

  /** The whole book, as an answer tells it. What an event has told meanwhile stays. */
  read(book) {
    const before = this.snapshots;
    this.snapshots = new Map(book.snapshots.map((entry) => [entry.exchange_account_id, entry]));
    for (const [account, entry] of before) {
      const read = this.snapshots.get(account);
      if (!read) continue;
      const margin = newest(entry.margin, read.margin);
      this.snapshots.set(account, { ...(isNewer(entry, read) ? entry : read), margin });
    }
    const [first] = book.snapshots;
    if (first) this.setClock(first.confirmed + first.age_ms);
    this.missing = book.missing;
    this.totals = book.totals;
    this.isRead = true;
  }

  /** One snapshot, as an event tells it. */
  heard(event) {
    const entry = { ...event.data, epoch: event.epoch ?? 0, confirmed: event.data.as_of };
    const known = this.snapshots.get(entry.exchange_account_id);
    entry.margin = known?.margin ?? null;
    if (known && !isNewer(entry, known)) return;
    this.snapshots.set(entry.exchange_account_id, entry);
    this.missing = this.missing.filter((account) => account !== entry.exchange_account_id);
  }

  /** How near an account is to liquidation, as an event tells it. */
  margin({ data }) {
    const known = this.snapshots.get(data.exchange_account_id);
    if (known) this.snapshots.set(data.exchange_account_id, { ...known, margin: newest(data, known.margin) });
  }

  /** How old what is known of an account is: since the venue was asked last. Null where it never was. */
  age(account) {
    const entry = this.snapshots.get(account);
    return entry ? Math.max(0, this.now() - entry.confirmed) : null;
  }
}

/** Of two readings of a margin the later; of one that is told twice the first, which may say more. */
function newest(margin, other) {
  return (margin?.as_of ?? -1) >= (other?.as_of ?? -1) ? margin ?? null : other;
}

function isNewer(entry, other) {
  return entry.epoch > other.epoch || (entry.epoch === other.epoch && entry.seq > other.seq);
}

/** The currencies of a market by its unified symbol: what its value and its profits are in. */
export function currenciesOf(symbol) {
  const [pair, settled = ""] = symbol.split(":");
  return { notional: pair.split("/")[1] ?? "", pnl: settled.split("-")[0] };
}
