/*
 * What a venue may refuse, told before it is asked. Each row is one or two of the venue's own refusals, by the codes that
 * the adapters' tables have (worker/venues/<venue>/errors.py and settings.py, checked 2026-11-29).
 */

const ROWS = [
  // -4161, -2028, -4028
  ["binance", "leverage", "Binance refuses less on an open isolated position, and too little margin for so low a leverage."],
  // -4067, -4068
  ["binance", "position_mode", "Binance refuses while anything is open in the account."],
  // 110024, 110028
  ["bybit", "position_mode", "Bybit refuses while the market has a position or open orders."],
  // -4047, -4048, -4168
  ["binance", "margin_mode", "Binance refuses while the market has a position or open orders, or in multi-assets mode."],
  // 110013, 110016
  ["bybit", "leverage", "Bybit refuses what the market's risk limit does not allow at the position's size."],
  // README, "scope: account"
  ["bybit", "margin_mode", "On a unified account this changes every market of the account."],
  // RISK_LIMIT_EXCEEDED; settings.py, _request
  ["gate", "leverage", "Gate refuses what is too much for the position's size, and any of a delivery in cross margin."],
  // settings.py, set_margin_mode
  ["gate", "margin_mode", "A delivery goes to isolated only."],
  // README, what each venue lets an account do
  ["okx", "margin_mode", "OKX chooses the mode with each order: this sets the leverage of that mode."],
];

/** What to know before this is set at this venue; null where nothing is known. */
export function mayBeRefused(exchange, operation) {
  return ROWS.find(([venue, about]) => venue === exchange && about === operation)?.[2] ?? null;
}
