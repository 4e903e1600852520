// Which neurons fire on a text: the patterns of all graphs, loaded by the tokens that occur in it.
import { step } from "./predict.js";
import { allIds, keepInUrl, load, make, pageOf, settled, shown, unit } from "./site.js";
import { level } from "./texts.js";
import { directionOf, excerpt, shortened, visible } from "./token_display.js";
import { encode, wordsOf } from "./tokenizer.js";

const PAGE = 50;

/** Entries of each token id in the text, and of -1: patterns that may fire on any token. */
export async function entriesOf(ids) {
  const firsts = await load("data/firing.json");
  const wanted = [...new Set([-1, ...ids])];
  const found = await Promise.all(wanted.map(async (token) => {
    const piece = firsts.findLastIndex((first) => first <= token);
    return [token, piece < 0 ? [] : (await load(`data/firing/${piece}.json.gz`)).find(([known]) => known === token)?.[1] ?? []];
  }));
  return new Map(found);
}

/** An element of a pattern as a node that `step` reads; made once. */
const nodes = new Map();
function nodeOf(element) {
  if (element === "*") return { kind: "wildcard" };
  if (element === "^") return { kind: "start" };
  if (element.max !== undefined) return { kind: "gap", max: element.max };
  if (!nodes.has(element)) nodes.set(element, { kind: "token", factor: new Map(element[0].map((token, at) => [token, element[1]?.[at] ?? 1])) });
  return nodes.get(element);
}

/** Predicted activation of one neuron at one position, from its patterns that begin there. */
function predictAt(patterns, tokens, pivot, begins) {
  let [best, most, longest] = [0, 0, 0];
  for (const [token, list] of patterns) {
    for (const [activation, weight, ...elements] of list) {
      let frontier = new Map([[token === -1 ? 0 : 1, weight]]);
      let constraints = token === -1 ? 0 : 1;
      for (const element of elements) {
        const node = nodeOf(element);
        frontier = step(node, frontier, tokens, pivot, begins, true);
        if (frontier.size === 0) break;
        constraints += node.kind === "token" || node.kind === "start" ? 1 : 0;
      }
      if (frontier.size === 0) continue;
      const value = Math.max(...frontier.values()) * activation;
      const length = elements.length + (token === -1 ? 0 : 1);
      const higher = constraints - most || length - longest;
      if (higher > 0 || (higher === 0 && value > best)) [best, most, longest] = [value, constraints, length];
    }
  }
  return best;
}

/** All firings: { row, f1, scale, at, value }, for every neuron and position predicted at or above the decision threshold. */
export async function firings(ids, begins) {
  const entries = await entriesOf(ids);
  const found = [];
  for (let pivot = begins; pivot < ids.length; pivot += 1) {
    const neurons = new Map();
    for (const token of [ids[pivot], -1]) {
      for (const [row, f1, scale, threshold, patterns] of entries.get(token)) {
        if (!neurons.has(row)) neurons.set(row, { row, f1, scale, threshold, patterns: [] });
        neurons.get(row).patterns.push([token, patterns]);
      }
    }
    for (const { row, f1, scale, threshold, patterns } of neurons.values()) {
      const value = predictAt(patterns, ids, pivot, begins);
      if (value > 0 && value >= threshold) found.push({ row, f1, scale, at: pivot, value });
    }
  }
  return found;
}

/** One line a neuron, best first: by its largest share of the maximum, weighted by how good its graph is. */
export function rank(found) {
  const neurons = new Map();
  for (const one of found) {
    const line = neurons.get(one.row) ?? { ...one, places: [], value: 0 };
    line.places.push(one.at);
    line.value = Math.max(line.value, one.value);
    neurons.set(one.row, line);
  }
  const score = (line) => Math.min(1, line.value / line.scale) * (line.f1 + 1);
  return [...neurons.values()].sort((a, b) => score(b) - score(a) || a.row - b.row);
}

export default async function fires(page) {
  const [input, text, output] = [page.querySelector("textarea"), page.querySelector(".tokens"), page.querySelector("output")];
  const [grid, more] = [page.querySelector("table"), page.querySelector(".more")];
  const neurons = await allIds();
  let [found, lines, words, ids, chosen] = [[], [], {}, [], null];

  const line = ({ row, f1, scale, value, places }) => make("tr", {},
    make("th", { scope: "row" }, make("a", { href: pageOf(neurons[row]) }, neurons[row])),
    make("td", {}, ...[...new Set(places.map((at) => ids[at]))].slice(0, 6).flatMap((id) => [make("code", {}, shortened(visible(words[id]), 40)), " "])),
    ...[shown(value), (value / scale).toFixed(2), (f1 / 100).toFixed(2)].map((cell) => make("td", { class: "n" }, cell)));

  function extend() {
    const body = grid.tBodies[0];
    body.append(...lines.slice(body.rows.length, body.rows.length + PAGE).map(line));
    more.hidden = body.rows.length >= lines.length;
  }

  function list() {
    lines = rank(chosen === null ? found : found.filter(({ at }) => at === chosen));
    for (const token of text.children) token.setAttribute("aria-pressed", Number(token.dataset.at) === chosen);
    grid.tBodies[0].replaceChildren();
    grid.hidden = lines.length === 0;
    extend();
    const where = chosen === null ? "" : ` on ${visible(words[ids[chosen]])}`;
    output.textContent = input.value === "" ? "" : `${lines.length} of ${neurons.length} ${unit}s are predicted to fire${where}`;
  }

  async function show() {
    const typed = input.value;
    keepInUrl({ text: typed });
    const encoded = await encode(typed);
    const begins = (await encode("")).length; // the token before every text, if there is one
    const [all, known] = await Promise.all([firings(encoded, begins), wordsOf(encoded)]);
    if (typed !== input.value) return;
    [found, words, ids, chosen] = [all, known, encoded, null];
    const share = new Array(ids.length).fill(0);
    for (const { at, value, scale } of found) share[at] = Math.max(share[at], value / scale);
    const spoken = excerpt(ids.slice(begins).map((id) => words[id]));
    text.replaceChildren(...ids.slice(begins).map((id, place) => {
      const at = place + begins;
      const colour = level(share[at], 1);
      const count = found.filter((one) => one.at === at).length;
      return make("b", { class: colour ? `a${colour}` : null, "data-at": at, role: "button", tabindex: 0, title: `${count} ${unit}s · token ${id}`, dir: directionOf(spoken[place]) }, spoken[place]);
    }));
    list();
    page.dataset.read = typed;
  }

  const choose = (event) => {
    const token = event.target.closest("b");
    if (!token || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    chosen = chosen === Number(token.dataset.at) ? null : Number(token.dataset.at);
    list();
  };
  text.addEventListener("click", choose);
  text.addEventListener("keydown", choose);
  more.addEventListener("click", extend);
  input.addEventListener("input", settled(show));
  input.value ||= new URL(location).searchParams.get("text") ?? ""; // what was typed while this loaded stays
  if (input.value) await show();
}
