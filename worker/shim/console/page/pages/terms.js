/*
 * Terms as a document: what an account's symbols shall have, the plan that follows, its carrying out, and what is kept.
 */

import { ask } from "../api.js";
import { h } from "../elements.js";
import { compare, isAmount } from "../exact.js";
import { badge, choice, stamp, table, trouble } from "../parts.js";
import { parseToml, Unreadable, writeToml } from "../toml.js";
import { amount, count, dash } from "../wording.js";
import { section } from "./account.js";
import { applied, appliedLately } from "./applying.js";
import { keep, kept } from "./keeping.js";

const SIGNS = { change: "~", unchanged: "=", impossible: "!", unknown: "?" };
const FIRST = 200;

export const terms = {
  name: "terms",
  title: "Terms",
  needs: "plan_terms",
  view(desk) {
    const accounts = desk.accounts.data?.accounts ?? [];
    const account = desk.form.get("terms account") ?? accounts[0]?.exchange_account_id ?? "";
    return [wanted(desk, accounts, account), planned(desk), applied(desk), desk.can("get_terms") && kept(desk), appliedLately(desk)];
  },
};

const get = (desk, name, otherwise = "") => desk.form.get(`terms ${name}`) ?? otherwise;
const set = (desk, name) => (value) => { desk.form.set(`terms ${name}`, value); desk.changed(); };

/** The document that the fields make. Symbols that are named have what is wanted as their own. */
function documentOf(desk, account) {
  const leverage = get(desk, "leverage");
  const desired = { ...(leverage ? { leverage: Number(leverage) } : {}), ...(get(desk, "mode") ? { margin_mode: get(desk, "mode") } : {}) };
  const symbols = get(desk, "symbols").split(/[\s,]+/).filter(Boolean);
  const which = get(desk, "select", "open") === "named" ? { symbols: Object.fromEntries(symbols.map((symbol) => [symbol, desired])) }
    : { select: get(desk, "select", "open"), ...(Object.keys(desired).length ? { defaults: desired } : {}) };
  return { exchange_account_id: account, ...(get(desk, "position mode") ? { position_mode: get(desk, "position mode") } : {}), ...which };
}

/** What is wanted as a document, and what is wrong with it; both null where nothing is said yet. */
function drafted(desk, account) {
  if (get(desk, "said by", "fields") === "text") return read(get(desk, "text"));
  const named = get(desk, "select", "open") === "named";
  const leverage = get(desk, "leverage");
  const wants = leverage !== "" ? /^\d{1,4}(\.\d{1,4})?$/.test(leverage) : get(desk, "mode") !== "" || get(desk, "position mode") !== "";
  return { document: account && wants && (!named || get(desk, "symbols").trim()) ? documentOf(desk, account) : null, wrong: null };
}

/** TOML, or the JSON that `--json` and the API have. */
function read(text) {
  if (!text.trim()) return { document: null, wrong: null };
  try {
    const document = text.trimStart().startsWith("{") ? JSON.parse(text) : parseToml(text);
    return document.exchange_account_id ? { document, wrong: null } : { document: null, wrong: "exchange_account_id is missing" };
  } catch (error) {
    if (!(error instanceof Unreadable || error instanceof SyntaxError)) throw error;
    return { document: null, wrong: error.message };
  }
}

function wanted(desk, accounts, account) {
  const byText = get(desk, "said by", "fields") === "text";
  const { document, wrong } = drafted(desk, account);
  // What was chosen last counts, drawn or not.
  const latest = () => drafted(desk, get(desk, "account", account)).document;
  const plan = (event) => { event.preventDefault(); if (latest()) askForPlan(desk, latest()); };
  const turn = (way) => {
    if (way === "text" && latest()) desk.form.set("terms text", writeToml(latest()));
    set(desk, "said by")(way);
  };
  return section("What an account shall have", h("form", { class: byText ? "document" : "bar", onsubmit: plan },
    choice({ label: "Said by", value: get(desk, "said by", "fields"), change: turn, choices: [["fields", "fields"], ["text", "a document"]] }),
    byText ? writing(desk, wrong) : fields(desk, accounts, account),
    h("div", { class: "acts" },
      h("button", { type: "submit", class: "primary", disabled: !document }, "Plan"),
      desk.can("keep_terms") && get(desk, "plan", null)?.data && h("button", { type: "button", onclick: () => keep(desk, get(desk, "plan").document) }, "Keep it so"),
      get(desk, "kept said") && h("span", { class: "hint", role: "status" }, get(desk, "kept said")))),
    h("p", { class: "hint" }, "A plan reads what is in force and changes nothing.", byText ? null : " Terms of its own for each symbol are said by a document."));
}

function fields(desk, accounts, account) {
  const typed = (name, more) => h("input", { value: get(desk, name), spellcheck: "false", autocomplete: "off", ...more, oninput: (event) => set(desk, name)(event.target.value) });
  return [
    choice({ label: "Account", value: account, change: set(desk, "account"), choices: accounts.map((row) => [row.exchange_account_id, row.exchange_account_id]) }),
    choice({ label: "Symbols", value: get(desk, "select", "open"), change: set(desk, "select"), choices: [["open", "with a position"], ["named", "these"], ["all USDT perpetuals", "all USDT perpetuals"], ["all USDC perpetuals", "all USDC perpetuals"], ["all", "all of the venue"]] }),
    get(desk, "select", "open") === "named" && h("label", { class: "choice", key: "names" }, h("span", {}, "Names"), typed("symbols", { placeholder: "BTC/USDT:USDT ETH/USDT:USDT", size: 28 })),
    h("label", { class: "choice", key: "leverage" }, h("span", {}, "Leverage"), typed("leverage", { placeholder: "as it is", size: 6, inputmode: "decimal" })),
    choice({ label: "Margin mode", value: get(desk, "mode"), change: set(desk, "mode"), choices: [["", "as it is"], ["cross", "cross"], ["isolated", "isolated"]] }),
    choice({ label: "Position mode", value: get(desk, "position mode"), change: set(desk, "position mode"), choices: [["", "as it is"], ["one_way", "one-way"], ["hedge", "hedge"]] }),
  ];
}

const EXAMPLE = `exchange_account_id = "binance-perp-001"

[defaults]
leverage = 3

[symbols."BTC/USDT:USDT"]
leverage = 5
`;

/** Where a document is pasted or written; what is not understood is told with its line. */
function writing(desk, wrong) {
  return [
    h("label", { class: "field" }, h("span", {}, "Document, as TOML or JSON"),
      h("textarea", { value: get(desk, "text"), rows: 12, spellcheck: "false", autocomplete: "off", class: "code", placeholder: EXAMPLE, "aria-invalid": wrong ? "true" : undefined, oninput: (event) => set(desk, "text")(event.target.value) })),
    wrong && h("p", { class: "notice doubt", role: "status" }, `Not understood: ${wrong}`),
  ];
}

/** Ask for a plan. It stands for what was in force then, and is applied only if that still holds. */
async function askForPlan(desk, document) {
  set(desk, "plan")({ document, reading: true });
  try {
    const { data } = await ask("/terms/plan", {}, { method: "POST", body: document, patience: 120_000 });
    set(desk, "plan")({ document, data, readAt: performance.now(), problem: null });
  } catch (error) {
    set(desk, "plan")({ document, data: null, readAt: null, problem: error });
    desk.failed(error);
  }
}

function planned(desk) {
  const plan = get(desk, "plan", null);
  if (plan === null) return null;
  if (plan.reading) return section("Plan", h("p", { class: "quiet", role: "status" }, "Reading what is in force…"));
  if (plan.data === null) return section("Plan", trouble(plan));
  const { data } = plan;
  const rows = [...data.position_modes, ...data.symbols].filter((row) => get(desk, "all rows", false) || row.state !== "unchanged");
  const apply = () => {
    set(desk, "applied")(null);
    set(desk, "plan")(null);
    desk.commands.send({ path: "/terms/apply", async: true, title: `${data.exchange_account_id}: apply terms to ${count(data.change + data.unknown, "symbol", "symbols")}`, body: { ...plan.document, fingerprint: data.fingerprint } })
      .then((row) => set(desk, "applied")(row.id));
  };
  return section("Plan", stamp(desk, plan),
    h("p", { class: "counts" }, h("strong", {}, data.change + data.unknown === 0 ? "No changes. " : `${data.change} to change. `), `${data.unchanged} as they should be, ${data.impossible} impossible, ${data.unknown} not told by the venue. `,
      data.change + data.unknown > 0 && `${count(data.cost.requests, "request", "requests")}; ${Number(data.cost.seconds) > 0 ? `the venue's limits alone make it take ${Math.ceil(Number(data.cost.seconds))} s at least` : "the venue's limits have room for all of it at once"}.`),
    rows.length ? table({ label: "Plan", columns: columnsOf(data), rows: rows.slice(0, FIRST), keyOf: (row) => row.part ?? row.symbol, rowOf: (row) => (row.state === "unchanged" ? { class: "faded" } : {}) }) : null,
    rows.length > FIRST && h("p", { class: "hint" }, `The first ${FIRST} of ${rows.length}.`),
    h("p", { class: "more" }, desk.can("apply_terms") && data.change + data.unknown > 0 && h("button", { type: "button", class: "primary", onclick: apply }, `Apply to ${count(data.change + data.unknown, "symbol", "symbols")}`), " ",
      data.unchanged > 0 && h("button", { type: "button", class: "quiet", onclick: () => set(desk, "all rows")(!get(desk, "all rows", false)) }, get(desk, "all rows", false) ? "only what differs" : "what is so already, too")));
}

function columnsOf(data) {
  const own = (cell) => (row) => (row.part ? "" : cell(row));
  return [
    { title: "Symbol", cell: (row) => [h("span", { class: "sign" }, SIGNS[row.state]), row.part ?? row.symbol] },
    { title: "State", cell: (row) => badge(row.state === "unknown" ? "doubt" : "", row.state) },
    data.position_modes.length > 0 && { title: "Position mode", cell: (row) => (row.part ? fromTo(row.now, row.then, modeWord) : "") },
    { title: "Leverage", figures: true, cell: own((row) => fromTo(row.now?.leverage, row.then.leverage, (value) => amount(value, "", { unit: "×" }))) },
    { title: "Margin", cell: own((row) => fromTo(row.now?.margin_mode, row.then.margin_mode, String)) },
    { title: "Why not", class: "text", cell: (row) => row.reason ?? "" },
  ].filter(Boolean);
}

const modeWord = (mode) => mode.replace("_", "-");

function fromTo(now, then, shown) {
  const before = now === null || now === undefined ? dash("the venue does not tell it") : shown(now);
  if (then === null || then === undefined || isSame(now, then)) return before;
  return [before, h("span", { class: "arrow" }, " → "), h("strong", {}, shown(then))];
}

function isSame(now, then) {
  return isAmount(now) && isAmount(then) ? compare(now, then) === 0 : now === then;
}
