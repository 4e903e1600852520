// Token search over posting lists in sorted pieces: only the pieces that can hold the word are loaded.
import { parseId } from "./jump.js";
import { card, pages } from "./cards.js";
import { allIds, keepInUrl, load, make, pageOf, settled } from "./site.js";
import { typed, visible } from "./token_display.js";

const ROLES = ["activating", "context", "promoted"];

const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export const keyOf = (text) => ((text.startsWith(" ") && text.length > 1 ? text.slice(1) : text).toLowerCase());

/** Entries [key, text, token, postings] whose text matches the query. */
export async function find(question, match, space) {
  const key = keyOf(question);
  const firsts = await load("data/tokens.json");
  const cut = key.slice(0, 24);
  let piece = firsts.findIndex((first) => first > cut);
  piece = Math.max(0, (piece < 0 ? firsts.length : piece) - 1);
  while (piece > 0 && firsts[piece] === cut) piece -= 1;
  const found = [];
  for (; piece < firsts.length; piece += 1) {
    if (firsts[piece] > cut && !firsts[piece].startsWith(cut)) break;
    if (match !== "prefix" && firsts[piece] > cut && firsts[piece].length < 24 && firsts[piece] !== cut) break;
    for (const entry of await load(`data/tokens/${piece}.json.gz`)) {
      const text = entry[1];
      const fits = match === "prefix" ? entry[0].startsWith(key) : match === "exact" ? text === question || text === ` ${question}` : entry[0] === key;
      const spaced = text.startsWith(" ");
      if (fits && (!space || spaced === (space === "with"))) found.push(entry);
    }
    if (found.length > 2000) break;
  }
  return found;
}

/** Postings of the entries as hits, best first; a neuron appears once for each role. */
export function rank(entries, role) {
  const hits = new Map();
  for (const [, text, , postings] of entries) {
    for (let at = 0; at < postings.length; at += 4) {
      const [kind, row, strength, f1] = postings.slice(at, at + 4);
      if (role !== "" && Number(role) !== kind) continue;
      const name = `${kind} ${row}`;
      const hit = hits.get(name) ?? { kind, row, strength: 0, f1, texts: [] };
      hit.strength = Math.max(hit.strength, strength);
      hit.texts.push(text);
      hits.set(name, hit);
    }
  }
  return [...hits.values()].sort((a, b) => b.strength * (b.f1 + 1) - a.strength * (a.f1 + 1) || a.row - b.row || a.kind - b.kind);
}

/** What to try where a search finds nothing. */
function nothing(question, match) {
  const split = /[^\u0000-\u007f]/.test(question) ? " Emoji and letters of many scripts are several tokens of single bytes, such as <0xE2>: search for one of them." : "";
  const words = /\S\s+\S/.test(question) ? " Several words are several tokens: the search for patterns takes them." : "";
  const prefix = match === "prefix" ? "" : " Try “starts with”: rare words are several tokens, of which the first may be here.";
  return `No graph of this atlas holds this token.${split}${words}${prefix}`;
}

export default async function tokens(page) {
  const none = make("p", { class: "notice", hidden: "" });
  page.querySelector(".hits").before(none);
  const [form, list, more] = [page.querySelector("form"), page.querySelector(".hits"), page.querySelector(".more")];
  const ids = await allIds();
  const asked = new URL(location).searchParams;
  for (const input of form.querySelectorAll("[name]")) input.value ||= asked.get(input.name) ?? ""; // what was typed while this loaded stays
  let turn = 0;
  const fill = pages(list, more, (hit) => {
    const words = hit.texts.slice(0, 4).map(visible);
    const about = `${ROLES[hit.kind]}, strength ${(hit.strength / 100).toFixed(2)}, F1 ${(hit.f1 / 100).toFixed(2)}`;
    return card(ids[hit.row], about, hit.texts.length > 4 ? [...words, `+${hit.texts.length - 4}`] : words, hit.kind < 2 ? hit.texts.map(visible) : []);
  });

  async function show() {
    const now = (turn += 1);
    const { q, match, space, role } = form.elements;
    keepInUrl({ q: q.value, match: match.value, space: space.value, role: role.value });
    const question = typed(q.value);
    const entries = question === "" ? [] : await find(question, match.value, space.value);
    if (now !== turn) return;
    const hits = rank(entries, role.value);
    fill(hits);
    const id = parseId(q.value);
    form.querySelector("output").textContent = question === "" ? "" : `${counted(entries.length, "token")}, ${counted(new Set(hits.map((hit) => hit.row)).size, "neuron")}`;
    none.hidden = question === "" || hits.length > 0;
    none.textContent = nothing(question, match.value);
    if (id && ids.includes(id)) form.querySelector("output").append(" · ", make("a", { href: pageOf(id) }, id));
  }

  form.addEventListener("input", settled(show));
  form.addEventListener("submit", (event) => event.preventDefault());
  await show();
  document.documentElement.dataset.ready = "tokens";
}
