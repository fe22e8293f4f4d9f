/*
 * One account: its terms by symbol, its balances, what speaks against it, and what may be changed: now → then.
 */

import { compare, grouped, isAmount, plain } from "../exact.js";
import { h } from "../elements.js";
import { currenciesOf } from "../holdings.js";
import { mayBeRefused } from "../refusals.js";
import { accountLink, badge, empty, stamp, table, trouble } from "../parts.js";
import { amount, shortAmount, span, when } from "../wording.js";
import { COLUMNS } from "./commands.js";
import { checks } from "./checks.js";
import { freezing } from "./freezing.js";
import { guardrails, highestAllowed } from "./guardrails.js";
import { marginHealth } from "./margin.js";
import { movingMargin } from "./margin_moves.js";
import { positionMode } from "./position_mode.js";

export const account = {
  name: "account",
  title: "Account",
  view(desk, [named]) {
    const accounts = desk.accounts;
    const id = named ?? accounts.data?.accounts[0]?.exchange_account_id;
    if (accounts.data === null) return trouble(accounts) ?? empty("The account is being read", "Its first answer is on its way.");
    const served = accounts.data.accounts.find((row) => row.exchange_account_id === id);
    if (!served) return empty("There is no such account", `No account ${id ?? "at all"} is served here, or this token may not see it.`, chooser(desk, accounts));
    return [
      head(desk, served, accounts),
      trouble(accounts),
      frozenNotice(desk, served),
      h("div", { class: "columns" },
        h("div", {}, terms(desk, served), marginHealth(desk, served), served.capabilities.includes("portfolio_margin") && balances(desk, served), recent(desk, served)),
        h("div", {}, change(desk, served), movingMargin(desk, served), positionMode(desk, served), guardrails(desk, served), freezing(desk, served), checks(desk, served))),
    ];
  },
  keys: { f: (desk) => { desk.form.set("freezing", true); desk.changed(); setTimeout(() => document.getElementById("reason")?.focus(), 60); } },
};

function chooser(desk, accounts) {
  return h("p", {}, accounts.data.accounts.map((row) => [accountLink(row.exchange_account_id), " "]));
}

function head(desk, served, accounts) {
  const where = [served.exchange, served.network === "mainnet" ? null : served.network, served.region, served.account_type].filter(Boolean);
  const select = h("select", { "aria-label": "Account", value: served.exchange_account_id, class: "title",
    onchange: (event) => { desk.form.delete("market"); desk.form.delete("market typed"); location.hash = `#/account/${encodeURIComponent(event.target.value)}`; } },
    accounts.data.accounts.map((row) => h("option", { key: row.exchange_account_id, value: row.exchange_account_id }, row.exchange_account_id)));
  return h("div", { class: "bar" }, select, h("span", { class: "quiet" }, where.join(" · ")), stream(served), stamp(desk, accounts));
}

function stream({ stream: state }) {
  if (!state) return badge("", "stream not told yet", "no worker has told how it is followed");
  if (state.state === "blind") return badge("doubt", "blind", state.reason);
  return h("span", { class: `stream ${state.state}` }, state.state === "live" ? "live" : "polled");
}

function frozenNotice(desk, served) {
  if (!served.frozen.length) return null;
  const known = desk.can("get_freezes") ? desk.read("/freeze", {}, { every: 15_000, after: ["freeze"] }).data?.freezes ?? [] : [];
  return h("div", { class: "notice stripes", role: "status" }, h("strong", {}, "Frozen: no change is sent. "),
    served.frozen.map((scope) => {
      const freeze = known.find((one) => one.scope === scope);
      return h("span", { key: scope }, `${scope}${freeze ? `: “${freeze.reason}”, by ${freeze.actor ?? "nobody named"}, ` : ""} `, freeze && when(freeze.since));
    }));
}

/* Terms */

function terms(desk, served) {
  const id = served.exchange_account_id;
  const entry = desk.holdings.snapshots.get(id);
  if (!entry) return section("Terms by symbol", empty("Never read", "No worker has read this account's positions yet."));
  const age = desk.holdings.age(id);
  const note = entry.stale || !desk.isLive ? h("p", { class: "stamp stale" }, `stale: the venue showed this ${span(age)} ago`)
    : h("p", { class: "stamp" }, `the venue was asked ${span(age)} ago`);
  const rows = entry.positions;
  return section("Terms by symbol", note,
    entry.unread?.length > 0 && h("p", { class: "notice doubt" }, `Not read whole: ${entry.unread.map((part) => `${part.part} (${part.reason})`).join("; ")}`),
    rows.length ? table({ label: "Terms by symbol", columns: termColumns(desk), rows, keyOf: (row) => `${row.symbol} ${row.side}`, rowOf: () => (entry.stale ? { class: "faded" } : {}) })
      : empty("No open position", "Terms of a flat market are read when you choose it under Change."));
}

function termColumns(desk) {
  const why = "the venue tells none";
  return [
    { title: "Symbol", cell: (row) => h("button", { type: "button", class: "link", title: "choose it to change", onclick: () => choose(desk, row.symbol) }, row.symbol) },
    { title: "Side", cell: (row) => row.side },
    { title: "Contracts", figures: true, cell: (row) => amount(row.contracts, why) },
    { title: "Entry", figures: true, cell: (row) => amount(row.entry_price, why) },
    { title: "Mark", figures: true, cell: (row) => amount(row.mark_price, why) },
    { title: "Leverage", figures: true, cell: (row) => amount(row.leverage, "the venue keeps none for this position", { unit: "×" }) },
    { title: "Margin", cell: (row) => row.margin_mode },
    { title: "Collateral", figures: true, cell: (row) => shortAmount(row.collateral, why, { unit: currenciesOf(row.symbol).pnl }) },
    { title: "PnL", figures: true, cell: (row) => shortAmount(row.unrealized_pnl, why, { sign: true, unit: currenciesOf(row.symbol).pnl }) },
  ];
}

function choose(desk, symbol) {
  desk.form.set("market", symbol);
  desk.form.delete("market typed");
  desk.form.delete("leverage");
  desk.form.delete("mode");
  desk.changed();
}

/* Now → then */

function change(desk, served) {
  const mayLever = desk.can("set_leverage") && served.capabilities.includes("leverage");
  const maySwitch = desk.can("set_margin_mode") && served.capabilities.includes("margin_mode");
  const symbols = [...new Set((desk.holdings.snapshots.get(served.exchange_account_id)?.positions ?? []).map((row) => row.symbol))];
  const symbol = desk.form.get("market") ?? symbols[0] ?? "";
  const now = symbol.includes("/") ? desk.read("/leverage", { exchange_account_id: served.exchange_account_id, symbol }, { every: 30_000, after: ["result", "drift"] }) : null;
  return section(mayLever || maySwitch ? "Change" : "Terms of one market", now && stamp(desk, now),
    h("label", { class: "field" }, h("span", {}, "Market"),
      h("input", { value: desk.form.get("market typed") ?? symbol, list: "markets", spellcheck: "false", autocomplete: "off",
        oninput: (event) => desk.form.set("market typed", event.target.value), onchange: (event) => choose(desk, event.target.value.trim()) })),
    h("datalist", { id: "markets" }, symbols.map((one) => h("option", { key: one, value: one }))),
    now && trouble(now),
    now?.data && leverageLine(desk, served, symbol, now.data, mayLever),
    now?.data && modeLine(desk, served, symbol, now.data, maySwitch),
    now?.data && (mayLever || maySwitch) && h("label", { class: "field" }, h("span", {}, "Why, for the audit (may stay empty)"),
      h("input", { value: desk.form.get("why changed") ?? "", maxlength: "500", autocomplete: "off", oninput: (event) => { desk.form.set("why changed", event.target.value); desk.changed(); } })),
    !now && h("p", { class: "quiet" }, "Name a market, such as BTC/USDT:USDT, to read its terms of the venue."));
}

/** The reason that stands in the field; it is told once. */
function whyOf(desk) {
  const why = (desk.form.get("why changed") ?? "").trim();
  desk.form.delete("why changed");
  return why;
}

function leverageLine(desk, served, symbol, now, may) {
  const then = desk.form.get("leverage") ?? "";
  const valid = /^\d+(\.\d+)?$/.test(then) && isAmount(then);
  const same = valid && isAmount(now.leverage) && compare(then, now.leverage) === 0;
  const send = (event) => {
    event.preventDefault();
    if (!valid) return;
    desk.form.delete("leverage");
    desk.commands.send({
      path: "/leverage", why: whyOf(desk), title: `${served.exchange_account_id} ${symbol}: leverage ${plain(now.leverage ?? 0)}× → ${plain(then)}×`,
      body: { exchange_account_id: served.exchange_account_id, symbol, leverage: Number(then) },
    });
  };
  return h("form", { class: "turn", onsubmit: send },
    h("span", { class: "what" }, "Leverage"),
    h("span", { class: "now" }, amount(now.leverage, "the venue keeps none for this market", { unit: "×" })),
    may && [h("span", { class: "arrow", "aria-hidden": "true" }, "→"),
      h("input", { class: "then", "aria-label": "New leverage", inputmode: "decimal", value: then, placeholder: "new",
        oninput: (event) => { desk.form.set("leverage", event.target.value.trim()); desk.changed(); } }),
      h("button", { type: "submit", class: "primary", disabled: !valid || same }, same ? "as it is" : "Set leverage")],
    h("p", { class: "hint" }, limitOf(desk, served, symbol, then, valid), " ", may ? mayBeRefused(served.exchange, "leverage") : null));
}

/** The most that the market allows, where the service tells it. */
function limitOf(desk, served, symbol, then, valid) {
  if (!desk.can("get_leverage_tiers")) return "The limit of the market is not told by this service.";
  const tiers = desk.read("/leverage-tiers", { exchange_account_id: served.exchange_account_id, symbol }, { every: 600_000 });
  const market = tiers.data?.markets.find((row) => row.symbol === symbol);
  if (!market) return tiers.problem ? `The limit of the market is not known: ${tiers.problem.message}` : "Reading the limit of the market…";
  const highest = market.tiers.reduce((most, tier) => (compare(tier.max_leverage, most) > 0 ? tier.max_leverage : most), "0");
  const above = valid && compare(then, highest) > 0;
  return [highestAllowed(served, symbol, then, valid), h("strong", { class: above ? "danger" : undefined }, `At most ${plain(highest)}×`),
    market.tiers.length > 1 && ` up to ${market.tiers[0].notional_cap === null ? "any size" : grouped(market.tiers[0].notional_cap)} ${market.currency}, less above.`];
}

function modeLine(desk, served, symbol, now, may) {
  const then = now.margin_mode === "cross" ? "isolated" : "cross";
  const send = () => desk.commands.send({
    path: "/margin-mode", why: whyOf(desk), title: `${served.exchange_account_id} ${symbol}: margin ${now.margin_mode} → ${then}`,
    body: { exchange_account_id: served.exchange_account_id, symbol, margin_mode: then },
  });
  return h("div", { class: "turn" },
    h("span", { class: "what" }, "Margin"), h("span", { class: "now" }, now.margin_mode),
    may && [h("span", { class: "arrow", "aria-hidden": "true" }, "→"), h("span", { class: "then" }, then),
      h("button", { type: "button", class: "primary", onclick: send }, `Set ${then}`)],
    h("p", { class: "hint" }, may ? mayBeRefused(served.exchange, "margin_mode") : null));
}

/* Balances */

function balances(desk, served) {
  const id = served.exchange_account_id;
  const reading = desk.read("/portfolio-margin/balance", { exchange_account_id: id }, { every: 60_000, after: ["result"] });
  const assets = Object.entries(reading.data?.assets ?? {});
  const why = "the venue tells no figure";
  const columns = [
    { title: "Asset", cell: ([asset]) => h("strong", {}, asset) },
    { title: "Cross total", figures: true, cell: ([, row]) => amount(row.cross_margin.total, why) },
    { title: "Cross free", figures: true, cell: ([, row]) => amount(row.cross_margin.free, why) },
    { title: "USDⓈ-M wallet", figures: true, cell: ([, row]) => amount(row.um_futures.wallet, why) },
    { title: "USDⓈ-M PnL", figures: true, cell: ([, row]) => amount(row.um_futures.unrealized_pnl, why, { sign: true }) },
    { title: "COIN-M wallet", figures: true, cell: ([, row]) => amount(row.cm_futures.wallet, why) },
    { title: "COIN-M PnL", figures: true, cell: ([, row]) => amount(row.cm_futures.unrealized_pnl, why, { sign: true }) },
    { title: "Total", figures: true, cell: ([, row]) => amount(row.total_wallet_balance, why) },
  ];
  return section("Portfolio Margin balance", stamp(desk, reading), trouble(reading),
    scheduled(desk, served),
    reading.data && (assets.length ? table({ label: "Portfolio Margin balance", columns, rows: assets, keyOf: ([asset]) => asset })
      : empty("No balance", "The venue lists no asset in this account.")),
    desk.can("pm_auto_collect") && sweeps(desk, id, assets));
}

/** When it is swept by itself; nothing is assumed of a service that does not tell. */
function scheduled(desk, { auto_collect: slots }) {
  if (!slots) return h("p", { class: "counts quiet" }, "Swept by nobody but who asks for it: the registry has no schedule.");
  return h("p", { class: "counts" }, "Swept by itself ", h("strong", {}, `${slots.schedule} UTC`), ", next ", when(slots.next_slot),
    h("span", { class: "quiet" }, ` in ${span(slots.next_slot - desk.holdings.now())}`));
}

function sweeps(desk, id, assets) {
  const asset = desk.form.get("asset") ?? assets[0]?.[0] ?? "";
  const sweep = (path, body, title) => () => { desk.form.delete("sweep"); desk.commands.send({ path, body: { exchange_account_id: id, ...body }, title: `${id}: ${title}` }); };
  const asked = desk.form.get("sweep");
  const ask = (what) => () => { desk.form.set("sweep", what); desk.changed(); };
  return h("div", { class: "turn sweeps" },
    h("span", { class: "what" }, "Sweep into margin"),
    h("select", { "aria-label": "Asset to sweep", value: asset, onchange: (event) => { desk.form.set("asset", event.target.value); desk.changed(); } },
      assets.map(([name]) => h("option", { key: name, value: name }, name))),
    asked === "asset" ? h("button", { type: "button", class: "primary", onclick: sweep("/portfolio-margin/asset-collection", { asset }, `sweep ${asset}`) }, `Move ${asset} now`)
      : h("button", { type: "button", onclick: ask("asset"), disabled: !asset }, `Sweep ${asset}`),
    asked === "all" ? h("button", { type: "button", class: "primary", onclick: sweep("/portfolio-margin/auto-collection", {}, "sweep all assets") }, "Move all now")
      : h("button", { type: "button", onclick: ask("all") }, "Sweep all"),
    h("p", { class: "hint" }, "Moves money, once. A sweep whose outcome stays unknown is never repeated: look at the balance. BNB stays where it is."));
}

/* What was asked of it last */

function recent(desk, served) {
  const reading = desk.read("/commands", { exchange_account_id: served.exchange_account_id, limit: 10 }, { every: 15_000, after: ["result"] });
  const columns = COLUMNS.filter((column) => !["Account", "Message"].includes(column.title));
  return section("Newest commands", stamp(desk, reading), trouble(reading),
    reading.data && (reading.data.commands.length ? table({ label: "Newest commands", columns, rows: reading.data.commands.slice(0, 10), keyOf: (row) => row.command_id })
      : empty("No command", "None is under way, and none that is kept was about this account.")));
}

export function section(title, ...children) {
  return h("section", { class: "sheet", "aria-label": title }, h("h2", {}, title), children);
}
