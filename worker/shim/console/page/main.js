/*
 * The frame around the pages: who is asked for a token, what is shown, the connection, and what is in flight.
 */

import { Desk } from "./desk.js";
import { h, render } from "./elements.js";
import { isExact } from "./exact.js";
import { PAGES } from "./pages.js";
import { forgetToken, keepToken, readToken } from "./session.js";
import { inFlight } from "./flight.js";
import { span } from "./wording.js";

readToken();
const container = document.getElementById("console");
const desk = new Desk(draw);

function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("?")[0].split("/").map(decodeURIComponent);
  return { page: PAGES.find((page) => page.name === name) ?? PAGES[0], rest };
}

function draw() {
  if (!isExact) return render(container, tooOld());
  if (desk.session === null) return render(container, signIn());
  const { page, rest } = route();
  document.title = `${page.title} · Perps DMA`;
  document.documentElement.dataset.connection = desk.connection.state;
  render(container, [top(page), lost(), h("main", { key: page.name, tabindex: "-1" }, h("h1", { class: "unseen" }, page.title), viewOf(page, rest)), inFlight(desk)]);
}

/** A page that fails says so, and takes nothing else down. */
function viewOf(page, rest) {
  try {
    return page.view(desk, rest);
  } catch (error) {
    console.error(error);
    return h("p", { class: "notice doubt", role: "alert" }, `This page can't be shown: ${error.message}. What the service answered is not what this page expects; are they of the same version?`);
  }
}

function top(page) {
  return h("header", { class: "top" },
    h("a", { class: "brand", href: "#/book" }, "Perps DMA"),
    h("nav", { "aria-label": "Pages" }, PAGES.filter((one) => !one.needs || desk.can(one.needs)).map((one) =>
      h("a", { key: one.name, href: `#/${one.name}`, "aria-current": one.name === page.name ? "page" : undefined },
        h("span", { class: "long" }, one.title), h("span", { class: "short", "aria-hidden": "true" }, one.short ?? one.title)))),
    h("div", { class: "who" }, pill(),
      h("span", { class: "subject", title: "who the token speaks for, and its roles" }, `${desk.session.subject ?? "nobody"} · ${desk.session.roles.join(", ")}`),
      h("button", { type: "button", class: "quiet", onclick: leave }, "leave")));
}

function pill() {
  const { state, since } = desk.connection;
  const words = { live: "live", connecting: "connecting", lost: `lost ${span(performance.now() - since)}`, refused: "events refused" }[state];
  return h("span", { class: `pill ${state}`, role: "status" }, words);
}

function lost() {
  const { state, since, why } = desk.connection;
  if (state === "live" || state === "connecting") return null;
  return h("p", { class: "banner", role: "alert", key: "lost" },
    h("strong", {}, `Not live for ${span(performance.now() - since)}${why ? `: ${why}` : ""}.`),
    " Everything below is as it was read last, and marked stale.");
}

function leave() {
  forgetToken();
  desk.end();
  location.reload();
}

function signIn() {
  const take = (event) => {
    event.preventDefault();
    const field = document.getElementById("token");
    if (field.value.trim()) { keepToken(field.value); field.value = ""; desk.begin(); }
  };
  const waits = readToken() !== null && desk.problem === null;
  return h("main", { class: "signin" },
    h("h1", {}, "Perps DMA"),
    waits ? h("p", { class: "quiet" }, "Asking whom the token speaks for…") : h("form", { onsubmit: take },
      h("p", {}, "What is held, at which terms, since when, and how that is known."),
      desk.problem && h("p", { class: "notice doubt", role: "alert" }, desk.problem.message),
      h("label", { for: "token" }, "Token"),
      h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true }),
      h("p", { class: "quiet" }, "perps-dma token --role trader makes one. It stays in this tab."),
      h("button", { type: "submit", class: "primary" }, "Open")));
}

function tooOld() {
  return h("main", { class: "signin" }, h("h1", {}, "Perps DMA"),
    h("p", {}, "This browser can't tell how a number was written, and no amount could be shown exactly. A current Chromium, Firefox or Safari can."));
}

function pressed(event) {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || desk.session === null) return;
  const filter = document.getElementById("filter");
  if (event.key === "/" && filter) { event.preventDefault(); filter.focus(); }
  const { page, rest } = route();
  const does = page.keys?.[event.key];
  if (does) { event.preventDefault(); does(desk, rest); }
}

addEventListener("keydown", pressed);
// What is typed counts at once: the next key may already send it.
addEventListener("input", (event) => { if (event.target.oninput) draw(); });
addEventListener("hashchange", () => {
  readToken();
  draw();
  document.querySelector("main")?.focus({ preventScroll: true });
  scrollTo(0, 0);
});
draw();
desk.begin();
