// Patterns: which graphs need a sequence of tokens like the one that was typed.
import { GROUP, load } from "./site.js";
import { shortened, typed, visible } from "./token_display.js";
import { cut, find } from "./tokens.js";

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

/** For each token of the query: the ids that it stands for with their texts, and the graphs (row -> F1) that hold one in its role. */
async function resolve(elements) {
  await Promise.all(elements.map(async (element, at) => {
    if (element.kind !== "token") return;
    const entries = (await find(element.text, element.match, "")).filter(([, text]) => element.match !== "exact" || text === element.text);
    const role = at === elements.length - 1 ? 0 : 1;
    element.ids = new Map(entries.map(([, text, token]) => [token, text]));
    element.cut = cut(entries) || element.match === "prefix"; // of beginnings some pieces may not be read
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
    const key = p * question.length + q;
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

/** The graphs that may have the pattern, the most useful first: those that hold each of its tokens in its role. Lists of
 * tokens that were cut tell nothing about the graphs that they lack. */
function candidates(tokens, count) {
  if (!tokens.length) return Array.from({ length: count }, (_, row) => row);
  const whole = tokens.filter((token) => !token.cut);
  const asked = whole.length ? whole : tokens.slice(-1);
  const fewest = asked.reduce((a, b) => (b.rows.size < a.rows.size ? b : a));
  return [...fewest.rows.keys()].filter((row) => asked.every((token) => token.rows.has(row)));
}

/**
 * Hits { row, f1, activation, pattern, texts, patterns }: the strongest matching pattern of each graph, the best first.
 * `files`: how many files of patterns may be read; `left`: graphs that may have the pattern and were not read.
 */
export async function search(elements, least, most, count, files) {
  await resolve(elements);
  const tokens = elements.filter(({ kind }) => kind === "token");
  const rows = candidates(tokens, count);
  const read = [...new Set(rows.map((row) => Math.floor(row / GROUP)))].slice(0, files);
  const groups = new Map(await Promise.all(read.map(async (file) => [file, await load(`data/patterns/${file}.json.gz`)])));
  const hits = [];
  let left = 0;
  for (const row of rows) {
    const group = groups.get(Math.floor(row / GROUP));
    if (!group) {
      left += 1;
      continue;
    }
    const [f1, patterns, texts] = group[row % GROUP];
    const fitting = patterns.map(([activation, ...parts]) => ({ row, f1, texts, activation, pattern: parts.reverse() }))
      .filter(({ pattern }) => pattern.length >= least && pattern.length <= most && matches(pattern, elements));
    if (fitting.length) hits.push({ ...fitting.reduce((a, b) => (b.activation > a.activation ? b : a)), patterns: fitting.length });
  }
  return { hits: hits.sort((a, b) => b.f1 - a.f1 || a.row - b.row), left };
}

/** An element in words; of a class the queried tokens come first. `texts`: of the tokens that are known. */
function said(element, asked, texts) {
  if (element === "*") return "∗";
  if (element === "^") return "⊢";
  if (element.max !== undefined) return `…≤${element.max}`;
  const text = (token) => asked.get(token) ?? texts[token];
  const first = [...element].sort((a, b) => asked.has(b) - asked.has(a)).filter((token) => text(token) !== undefined).slice(0, 2);
  const more = element.length - first.length;
  return [...first.map((token) => shortened(visible(text(token)), 30)), ...(more ? [`+${more}`] : [])].join("|");
}

/** The words of a hit's pattern, and the tokens of the question that it holds, as shown. */
export function described({ pattern, texts }, elements) {
  const asked = new Map(elements.flatMap((element) => [...(element.ids ?? [])]));
  const held = pattern.filter(Array.isArray).flat().filter((token) => asked.has(token));
  return { words: pattern.map((element) => said(element, asked, texts)), tokens: new Map(held.map((token) => [token, visible(asked.get(token))])) };
}
