/*
 * The token: given by the link, or pasted; kept in this tab alone, and out of its address at once.
 */

const KEPT = "perps-dma.token";

/** The token that this tab has, or that its address has just brought. */
export function readToken() {
  const brought = new URLSearchParams(location.hash.slice(1)).get("token");
  if (brought !== null) {
    history.replaceState(null, "", `${location.pathname}#/book`);
    keepToken(brought);
  }
  return sessionStorage.getItem(KEPT);
}

export function keepToken(token) {
  sessionStorage.setItem(KEPT, token.trim());
}

export function forgetToken() {
  sessionStorage.removeItem(KEPT);
}
