/*
 * Documents that are kept: drift from them is mended until somebody says otherwise, or the keeper stops by itself.
 */

import { ask } from "../api.js";
import { h } from "../elements.js";
import { badge, empty, stamp, table, trouble } from "../parts.js";
import { parseToml, writeToml } from "../toml.js";
import { count, when } from "../wording.js";
import { section } from "./account.js";

const set = (desk, name) => (value) => { desk.form.set(`terms ${name}`, value); desk.changed(); };

export function kept(desk) {
  const reading = desk.read("/terms", {}, { every: 15_000, after: ["keep", "drift", "result"] });
  const rows = reading.data?.terms ?? [];
  return section("Kept", stamp(desk, reading), trouble(reading),
    reading.data && (rows.length ? rows.map((row) => keeping(desk, row, reading)) : empty("Nothing is kept", "Drift is told, and mended only where somebody has a document kept.")));
}

function keeping(desk, row, reading) {
  const drop = async () => {
    try { await ask("/terms", { exchange_account_id: row.exchange_account_id }, { method: "DELETE" }); } catch (error) { set(desk, "kept said")(error.message); desk.failed(error); }
    reading.refresh();
  };
  // What was read has amounts as text; a document is sent with numbers, as it is written.
  const again = () => keep(desk, parseToml(writeToml(row.document))).then(() => reading.refresh());
  const edit = () => {
    desk.form.set("terms text", writeToml(row.document));
    set(desk, "said by")("text");
    scrollTo(0, 0);
  };
  const columns = [
    { title: "At", cell: (mend) => when(mend.at) },
    { title: "Symbol", cell: (mend) => mend.symbol },
    { title: "Mended", cell: (mend) => mend.setting.replace("_", " ") },
    { title: "Again", cell: (mend) => (mend.reversal ? badge("doubt", "somebody had set it back") : "") },
    { title: "Command", cell: (mend) => h("a", { href: `#/commands/${encodeURIComponent(mend.command_id)}` }, "its way") },
  ];
  return h("div", { key: row.exchange_account_id, class: "keeping" },
    h("p", {}, h("strong", {}, row.exchange_account_id), " ", badge(row.state === "suspended" ? "doubt" : "", row.state), ` version ${row.version}, by ${row.actor ?? "nobody named"} since `, when(row.since), `, mended ${count(row.mends, "time", "times")}`,
      row.looked && [", looked at ", when(row.looked)], " ",
      row.state === "suspended" && desk.can("keep_terms") && h("button", { type: "button", onclick: again }, "keep it again"),
      desk.can("drop_terms") && h("button", { type: "button", onclick: drop }, "keep it no more"),
      h("button", { type: "button", class: "quiet", onclick: edit }, "edit")),
    (row.reason || row.problem) && h("p", { class: "notice doubt" }, row.reason ?? row.problem),
    h("details", {}, h("summary", {}, "The document"), h("pre", { class: "code" }, writeToml(row.document))),
    row.mended.length > 0 && table({ label: `Mended of ${row.exchange_account_id}`, columns, rows: row.mended, keyOf: (mend) => `${mend.command_id} ${mend.symbol} ${mend.setting}` }));
}

/** Have a document kept. A lost answer is no answer: what is kept is read until it shows. */
export async function keep(desk, document) {
  set(desk, "kept said")("asked; in flight…");
  try {
    const { data } = await ask("/terms", {}, { method: "POST", body: document });
    set(desk, "kept said")(`${data.state}, version ${data.version}`);
  } catch (error) {
    set(desk, "kept said")(error.isSilence ? "no answer: what is kept shows below" : error.message);
    desk.failed(error);
  }
}
