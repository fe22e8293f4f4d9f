/*
 * Documents of terms as people write them: as much of TOML 1.0 as they need, which is tables, keys bare, quoted and
 * dotted, strings, numbers, booleans and inline tables. What is more is refused with its line, and never passed over.
 */

import { compare } from "./exact.js";

const BARE = /^[A-Za-z0-9_-]+/;
const NUMBER = /^[+-]?(?:0|[1-9](?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d+)?(?=[\s,}#]|$)/;
const ESCAPES = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r", '"': '"', "\\": "\\" };

export class Unreadable extends Error {
  constructor(line, why) { super(`line ${line}: ${why}`); this.line = line; }
}

/** What a text says, as an object. Throws Unreadable. */
export function parseToml(text) {
  const root = Object.create(null);
  const defined = new Set();
  let table = root;
  text.split(/\r?\n/).forEach((content, index) => {
    const line = new Line(content, index + 1);
    if (line.atEnd()) return;
    if (line.takes("[")) table = headed(root, line, defined);
    else assign(table, line);
    line.end();
  });
  return root;
}

function headed(root, line, defined) {
  if (line.takes("[")) line.refuse("lists of tables mean nothing here");
  const keys = line.keys();
  line.needs("]");
  const name = JSON.stringify(keys);
  if (defined.has(name)) line.refuse(`[${keys.join(".")}] is there twice`);
  defined.add(name);
  return keys.reduce((table, key) => inner(table, key, line), root);
}

function inner(table, key, line) {
  if (!(key in table)) table[key] = Object.create(null);
  if (typeof table[key] !== "object") line.refuse(`${key} is a value, and no table`);
  return table[key];
}

function assign(table, line) {
  const keys = line.keys();
  line.needs("=");
  const last = keys.pop();
  const into = keys.reduce((outer, key) => inner(outer, key, line), table);
  if (last in into) line.refuse(`${last} is there twice`);
  into[last] = line.value();
}

class Line {
  constructor(content, number) {
    this._rest = content;
    this._number = number;
  }

  refuse(why) { throw new Unreadable(this._number, why); }

  atEnd() {
    this._rest = this._rest.trimStart();
    return this._rest === "" || this._rest.startsWith("#");
  }

  takes(sign) {
    if (this.atEnd() || !this._rest.startsWith(sign)) return false;
    this._rest = this._rest.slice(sign.length);
    return true;
  }

  needs(sign) { if (!this.takes(sign)) this.refuse(`${sign} is missing`); }

  end() { if (!this.atEnd()) this.refuse(`what stands behind is not understood: ${this._rest}`); }

  keys() {
    const keys = [this._key()];
    while (this.takes(".")) keys.push(this._key());
    return keys;
  }

  _key() {
    if (this.takes('"')) return this._basic();
    if (this.takes("'")) return this._literal();
    return this._matched(BARE) ?? this.refuse("a name is missing");
  }

  value() {
    if (this.takes('"')) return this._basic();
    if (this.takes("'")) return this._literal();
    if (this.takes("{")) return this._inline();
    if (this.takes("[")) this.refuse("lists mean nothing here");
    const word = this._matched(/^(true|false)(?=[\s,}#]|$)/);
    if (word !== undefined) return word === "true";
    const number = (this._matched(NUMBER) ?? this.refuse(`no value: ${this._rest || "nothing"}`)).replaceAll("_", "");
    if (compare(String(Number(number)), number) !== 0) this.refuse(`${number} has more digits than can be sent exactly`);
    return Number(number);
  }

  _matched(pattern) {
    if (this.atEnd()) return undefined;
    const [found] = pattern.exec(this._rest) ?? [];
    if (found !== undefined) this._rest = this._rest.slice(found.length);
    return found;
  }

  _inline() {
    const table = Object.create(null);
    if (this.takes("}")) return table;
    do assign(table, this); while (this.takes(","));
    this.needs("}");
    return table;
  }

  _literal() {
    const end = this._rest.indexOf("'");
    if (end < 0) this.refuse("' is missing");
    const text = this._rest.slice(0, end);
    this._rest = this._rest.slice(end + 1);
    return text;
  }

  _basic() {
    let text = "";
    for (let at = 0; at < this._rest.length; at += 1) {
      const sign = this._rest[at];
      if (sign === '"') { this._rest = this._rest.slice(at + 1); return text; }
      if (sign !== "\\") { text += sign; continue; }
      at += 1;
      const [, code] = /^u([0-9A-Fa-f]{4})/.exec(this._rest.slice(at)) ?? [];
      if (code) { text += String.fromCharCode(parseInt(code, 16)); at += 4; continue; }
      text += ESCAPES[this._rest[at]] ?? this.refuse(`\\${this._rest[at] ?? ""} is not understood`);
    }
    return this.refuse('" is missing');
  }
}

/** A document of terms as text, which parses to the same. What is null is left out. */
export function writeToml(document) {
  const { defaults, symbols = {}, ...rest } = document;
  const tables = [...(defaults ? [["defaults", defaults]] : []), ...Object.entries(symbols ?? {}).map(([symbol, terms]) => [`symbols.${JSON.stringify(symbol)}`, terms])];
  return [fields(rest), ...tables.map(([name, content]) => `[${name}]\n${fields(content)}`)].join("\n");
}

function fields(table) {
  const told = Object.entries(table).filter(([, value]) => value !== null && value !== undefined);
  return told.map(([key, value]) => `${key} = ${key === "leverage" ? value : JSON.stringify(value)}\n`).join("");
}
