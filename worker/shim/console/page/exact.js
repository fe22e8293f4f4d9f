/*
 * Amounts, exactly: text in, text out, whole numbers of the smallest unit in between. Nothing here is a float.
 *
 * An amount is text such as "-0.150", or a whole JavaScript number; null where nothing is known, which is never zero.
 */

const WHOLE = /^-?\d{1,15}$/;
const DECIMAL = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** Whether this browser tells how a number was written. Without that no amount could be shown as it is. */
export const isExact = readsSource();

function readsSource() {
  let source;
  JSON.parse("0.10", (key, value, context) => { source = context?.source; return value; });
  return source === "0.10";
}

/** JSON whose numbers stay as they are written: whole ones that fit are numbers, all others are text. */
export function parse(text) {
  return JSON.parse(text, (key, value, context) =>
    typeof value === "number" && !WHOLE.test(context.source) ? context.source : value);
}

/** Whether it is an amount at all. */
export function isAmount(value) {
  return value !== null && value !== undefined && DECIMAL.test(String(value));
}

/** How many units of ten to the minus `places`. */
function scaled(value) {
  const found = DECIMAL.exec(String(value));
  if (!found) throw new RangeError(`no amount: ${value}`);
  const [, sign, whole, fraction = "", exponent = "0"] = found;
  const places = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction) * (sign === "-" ? -1n : 1n);
  return places >= 0 ? { digits, places } : { digits: digits * 10n ** BigInt(-places), places: 0 };
}

function aligned(first, second) {
  const [a, b] = [scaled(first), scaled(second)];
  const places = Math.max(a.places, b.places);
  const at = (one) => one.digits * 10n ** BigInt(places - one.places);
  return { a: at(a), b: at(b), places };
}

function text(digits, places) {
  const magnitude = (digits < 0n ? -digits : digits).toString().padStart(places + 1, "0");
  const whole = magnitude.slice(0, magnitude.length - places);
  const fraction = magnitude.slice(magnitude.length - places).replace(/0+$/, "");
  const sign = digits < 0n ? "-" : "";
  return sign + whole + (places && fraction ? `.${fraction}` : "");
}

export function add(first, second) {
  const { a, b, places } = aligned(first, second);
  return text(a + b, places);
}

export function subtract(first, second) {
  const { a, b, places } = aligned(first, second);
  return text(a - b, places);
}

export function sum(amounts) {
  return amounts.reduce(add, "0");
}

export function negate(amount) {
  const { digits, places } = scaled(amount);
  return text(-digits, places);
}

export function magnitude(amount) {
  return sign(amount) < 0 ? negate(amount) : plain(amount);
}

export function sign(amount) {
  const { digits } = scaled(amount);
  return digits > 0n ? 1 : digits < 0n ? -1 : 0;
}

/** Less, equal or more, as a sort wants it. */
export function compare(first, second) {
  const { a, b } = aligned(first, second);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A quotient to so many places, cut and never rounded up: a distance must not look longer than it is. */
export function divide(dividend, divisor, places) {
  const { a, b } = aligned(dividend, divisor);
  if (b === 0n) throw new RangeError("divided by zero");
  return text((a * 10n ** BigInt(places)) / b, places);
}

/** Without an exponent and without zeros at its end. */
export function plain(amount) {
  const { digits, places } = scaled(amount);
  return text(digits, places);
}

/** As people read it: all its digits, the whole part in groups of three. */
export function grouped(amount) {
  const [whole, fraction] = plain(amount).split(".");
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return (fraction === undefined ? groups : `${groups}.${fraction}`).replace("-", "−");
}

/** With a plus before what is more than nothing. */
export function signed(amount) {
  return sign(amount) > 0 ? `+${grouped(amount)}` : grouped(amount);
}

/** Sums by what they are in: amounts of unlike currencies are never added. Rows are pairs of currency and amount. */
export function sumsByCurrency(rows) {
  const sums = new Map();
  for (const [currency, amount] of rows) sums.set(currency, add(sums.get(currency) ?? "0", amount));
  return new Map([...sums].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** As a number, for the length of a bar or the height of a line, never for what is read. */
export function roughly(amount) {
  return Number(amount);
}
