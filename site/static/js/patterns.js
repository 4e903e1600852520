// Pattern search: which graphs need a sequence of tokens like the one that was typed.
import { card, pages } from "./cards.js";
import { allIds, keepInUrl, load, settled } from "./site.js";
import { shortened, typed, visible } from "./token_display.js";
import { wordsOf } from "./tokenizer.js";
import { find } from "./tokens.js";

const GROUP = 64; // neurons a file
const FILES = 64; // files that one search may load

/** "the … bank" -> elements in the order of the text: { kind: "gap" | "any" | "start" | "token", text, match }. */
export function parse(question) {
  return (question.match(/"[^"]*"|\S+/g) ?? []).map((word) => {
    if (word === "…" || word === "...") return { kind: "gap" };
    if (word === "*") return { kind: "any" };
    if (word === "^") return { kind: "start" };
    if (/^".+"$/.test(word)) return { kind: "token", text: typed(word.slice(1, -1)), match: "exact" };
    if (/.\*$/.test(word)) return { kind: "token", text: typed(word.slice(0, -1)), match: "prefix" };
    return { kind: "token", text: typed(word), match: "" };
  });
}

/** For each token of the query: the ids that it stands for, and the graphs (row -> F1) that hold one in its role. */
async function resolve(elements) {
  await Promise.all(elements.map(async (element, at) => {
    if (element.kind !== "token") return;
    const entries = (await find(element.text, element.match, "")).filter(([, text]) => element.match !== "exact" || text === element.text);
    const role = at === elements.length - 1 ? 0 : 1;
    element.ids = new Set(entries.map(([, , token]) => token));
    element.rows = new Map();
    for (const [, , , postings] of entries) {
      for (let place = 0; place < postings.length; place += 4) {
        if (postings[place] === role) element.rows.set(postings[place + 1], postings[place + 3]);
      }
    }
  }));
}

/** Whether a pattern, in the order of the text, ends as the query does; what precedes it is left open. */
export function matches(pattern, question) {
  const one = (element, asked) => asked.kind === "any" ? element === "*" || Array.isArray(element)
    : asked.kind === "start" ? element === "^"
      : Array.isArray(element) && element.some((token) => asked.ids.has(token));
  const known = new Map();
  const from = (p, q) => {
    const key = p * 64 + q;
    if (!known.has(key)) known.set(key, decide(p, q));
    return known.get(key);
  };
  const decide = (p, q) => {
    if (q < 0) return true;
    if (p < 0) return question.slice(0, q + 1).every(({ kind }) => kind === "gap");
    const [element, asked] = [pattern[p], question[q]];
    if (asked.kind === "gap") return from(p, q - 1) || (element !== "^" && from(p - 1, q));
    if (element.max !== undefined) return from(p - 1, q) || (asked.kind === "any" && from(p - 1, q - 1));
    return one(element, asked) && from(p - 1, q - 1);
  };
  return from(pattern.length - 1, question.length - 1);
}

/** Hits { row, f1, activation, pattern }, the strongest matching pattern of each graph; null: too many to look through. */
export async function search(elements, least, most, count) {
  await resolve(elements);
  const tokens = elements.filter(({ kind }) => kind === "token");
  const rows = tokens.length ? [...tokens[0].rows.keys()].filter((row) => tokens.every((token) => token.rows.has(row))) : Array.from({ length: count }, (_, row) => row);
  const files = [...new Set(rows.map((row) => Math.floor(row / GROUP)))];
  if (files.length > FILES && tokens.length === 0) return null;
  const groups = new Map(await Promise.all(files.map(async (file) => [file, await load(`data/patterns/${file}.json.gz`)])));
  const hits = [];
  for (const row of rows) {
    const [f1, patterns] = groups.get(Math.floor(row / GROUP))[row % GROUP];
    const fitting = patterns.map(([activation, ...parts]) => ({ row, f1, activation, pattern: parts.reverse() }))
      .filter(({ pattern }) => pattern.length >= least && pattern.length <= most && matches(pattern, elements));
    if (fitting.length) hits.push({ ...fitting.reduce((a, b) => (b.activation > a.activation ? b : a)), patterns: fitting.length });
  }
  return hits.sort((a, b) => b.f1 - a.f1 || a.row - b.row);
}

/** An element in words; of a class the queried tokens come first. */
function said(element, asked, words) {
  if (element === "*") return "∗";
  if (element === "^") return "⊢";
  if (element.max !== undefined) return `…≤${element.max}`;
  const first = [...element].sort((a, b) => asked.has(b) - asked.has(a)).slice(0, 2).map((token) => shortened(visible(words[token] ?? `#${token}`), 30));
  return first.join("|") + (element.length > 2 ? `|+${element.length - 2}` : "");
}

export default async function patterns(page) {
  const [form, list, more] = [page.querySelector("form"), page.querySelector(".hits"), page.querySelector(".more")];
  const ids = await allIds();
  const asked = new URL(location).searchParams;
  const output = form.querySelector("output");
  for (const input of form.querySelectorAll("[name]")) input.value ||= asked.get(input.name) ?? ""; // what was typed while this loaded stays
  let turn = 0;
  const fill = pages(list, more, (hit) => card(ids[hit.row], `activation ${hit.activation}, F1 ${(hit.f1 / 100).toFixed(2)}${hit.patterns > 1 ? `, ${hit.patterns} matching patterns` : ""}`, hit.words, hit.tokens));

  async function show() {
    const now = (turn += 1);
    const { q, least, most } = form.elements;
    keepInUrl({ q: q.value, least: least.value, most: most.value });
    const elements = parse(q.value);
    const hits = elements.length ? await search(elements, Number(least.value) || 0, Number(most.value) || Infinity, ids.length) : [];
    const wanted = new Set(elements.flatMap((element) => [...(element.ids ?? [])]));
    const seen = (hits ?? []).flatMap(({ pattern }) => pattern.filter(Array.isArray).flatMap((element) => [...element].sort((a, b) => wanted.has(b) - wanted.has(a)).slice(0, 2)));
    const words = await wordsOf(seen).catch(() => ({}));
    if (now !== turn) return;
    for (const hit of hits ?? []) {
      hit.words = hit.pattern.map((element) => said(element, wanted, words));
      hit.tokens = hit.pattern.flat().filter((token) => wanted.has(token) && words[token] !== undefined).map((token) => visible(words[token]));
    }
    fill(hits ?? []);
    output.textContent = hits === null ? "Too many graphs to search: add a token to the pattern." : elements.length ? `${hits.length} of ${ids.length} neurons` : "";
    page.dataset.searched = q.value;
  }

  form.addEventListener("input", settled(show));
  form.addEventListener("submit", (event) => event.preventDefault());
  await show();
}
