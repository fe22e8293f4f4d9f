/*
 * The API, asked as everybody asks it: over fetch, with the token in a header and never in an address.
 */

import { parse } from "./exact.js";
import { readToken } from "./session.js";

const PREFIX = "/oems/execution";
const PATIENCE_MS = 30_000;

/** The service refused, and said why. `status` 0 is no answer at all. */
export class Refused extends Error {
  constructor(status, message, code, details, retryAfter = null) {
    super(message.replace(/^Error - /, ""));
    this.status = status;
    this.code = code;
    this.details = details ?? {};
    this.retryAfterMs = retryAfter === null ? null : Number(retryAfter) * 1000;
  }

  get isSilence() { return this.status === 0; }
}

function address(path, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const written = new URLSearchParams(given).toString();
  const base = path.startsWith("/console/") ? path : PREFIX + path;
  return written ? `${base}?${written}` : base;
}

function headersOf(more) {
  return { Authorization: `Bearer ${readToken() ?? ""}`, ...more };
}

/** Ask once. Resolves to what was answered, its status and its headers. Throws Refused where nothing was. */
export async function exchange(method, path, { query, body, headers, patience = PATIENCE_MS } = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    const answer = await fetch(address(path, query), {
      method,
      headers: headersOf({ ...json, ...headers }),
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
    });
    return { status: answer.status, headers: answer.headers, envelope: parse(await answer.text()) };
  } catch (error) {
    throw new Refused(0, error.name === "TimeoutError" ? "no answer in time" : "no connection to the service");
  }
}

/** The data of an answer, with its headers. Throws Refused. */
export async function ask(path, query, options = {}) {
  const answer = await exchange(options.method ?? "GET", path, { ...options, query });
  return { data: dataOf(answer), headers: answer.headers };
}

export function dataOf({ status, headers, envelope }) {
  if (!envelope.isError) return envelope.data;
  throw new Refused(status, envelope.message, envelope.error.code, envelope.error.details, headers.get("Retry-After"));
}

/** Open the stream of events, from a place in it or behind the last event that was heard. */
export async function openEvents({ query, from, last, signal }) {
  const answer = await fetch(address("/events", last === null ? { ...query, from } : query), {
    headers: headersOf(last === null ? {} : { "Last-Event-ID": String(last) }),
    signal,
  });
  if (!answer.ok) dataOf({ status: answer.status, headers: answer.headers, envelope: parse(await answer.text()) });
  return answer.body;
}
