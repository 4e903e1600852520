// Texts with coloured tokens: background for the real activation, the bar below for the predicted one. And the path of
// the graph that decides a prediction: in words, and lit in the graph.
import { pathTo, predict, prepare, trace } from "./predict.js";
import { make, shown } from "./site.js";
import { directionOf, excerpt, plain, shortened, visible } from "./token_display.js";

const LONGEST = 80; // characters of a token

export const level = (value, scale) => (value > 0 && scale > 0 ? Math.min(9, Math.round((9 * value) / scale)) : 0);

/**
 * Tokens as elements, from `first` to before `last`.
 * text: { tokens, activations, predictions (either may be null) }; marked: positions to outline.
 */
export function tokens(text, vocabulary, scale, first = 0, last = text.tokens.length, marked = new Set()) {
  const words = excerpt(text.tokens.map((token) => vocabulary[token] ?? "�"));
  const elements = [];
  for (let at = first; at < last; at += 1) {
    const real = text.activations?.[at];
    const predicted = text.predictions?.[at];
    const classes = [level(real, scale) && `a${level(real, scale)}`, level(-real, scale) && `n${level(-real, scale)}`, level(predicted, scale) && `p${level(predicted, scale)}`, marked.has(at) && "marked", at === text.pivot && "pivot"];
    const said = [real !== undefined && `activation ${shown(real)}`, predicted !== undefined && `predicted ${shown(predicted)}`].filter(Boolean);
    elements.push(make("b", {
      class: classes.filter(Boolean).join(" ") || null,
      dir: directionOf(words[at]),
      title: `${said.join(", ")} · token ${text.tokens[at]}`,
    }, shortened(words[at], LONGEST)));
  }
  return elements;
}

/** The part of an example within `around` tokens of its pivot. */
export const windowOf = (example, around) => [Math.max(0, example.pivot - around), Math.min(example.tokens.length, example.pivot + around + 1)];

/** The first token of an example that is text. */
const begins = (record, example) => (example.start === 0 && example.tokens[0] === record.graph?.bos ? 1 : 0);

/** Refill the paragraph of an example. */
export function fill(paragraph, record, example, around, marked) {
  const [from, last] = around === "full" ? [0, example.tokens.length] : windowOf(example, Number(around));
  const first = Math.max(from, begins(record, example));
  paragraph.dataset.first = first;
  paragraph.dataset.pivot = example.pivot - first;
  delete paragraph.dataset.at;
  paragraph.replaceChildren(...tokens(example, record.vocabulary, record.graph?.scale ?? record.statistics.maximum, first, last, marked));
}

/** The tokens around one of an example in a few words, that one in bold. */
export function brief(record, example, at, before, after) {
  const words = excerpt(example.tokens.map((token) => record.vocabulary[token] ?? "�"));
  const first = Math.max(begins(record, example), at - before);
  return make("bdi", {}, words.slice(first, at).join(""), make("b", {}, words[at]), words.slice(at + 1, at + 1 + after).join(""));
}

/** The pattern that ends at node `id`, in the order of the text, with the token that it read where there were several; each
 * token in an element of its own, so that those of right-to-left scripts keep that order. */
export function inWords(record, prepared, tokens, pivot, id, anchored) {
  const read = new Map(trace(prepared, tokens, pivot, id, anchored));
  return pathTo(prepared, id).reverse().map((one) => {
    const node = prepared.nodes.get(one);
    if (node.kind === "gap") return `…≤${node.max}`;
    if (node.kind === "start") return "⊢";
    const token = read.has(one) ? tokens[read.get(one)] : node.tokens?.[0];
    return node.kind === "wildcard" ? "∗" : make("bdi", {}, shortened(visible(record.vocabulary[token] ?? "�"), 40));
  }).flatMap((word, at) => (at ? [" → ", word] : [word]));
}

/** Light the path to node `id` in the page's graph (0: none). */
export function lightUp(page, prepared, id) {
  const path = new Set(id ? pathTo(prepared, id) : []);
  for (const group of page.querySelectorAll(".graph .node")) group.classList.toggle("lit", path.has(Number(group.dataset.node)));
}

const predicted = new WeakMap();

/** The deciding node at each position of an example; made once. */
export function decided(prepared, example) {
  if (!predicted.has(example)) predicted.set(example, predict(prepared, example.tokens, example.start === 0).decided);
  return predicted.get(example);
}

/** Why the graph was wrong: the path that matched at the pivot of an error. */
function reason(record, prepared, example) {
  const node = decided(prepared, example)[example.pivot];
  if (!node) return ["no pattern matches"];
  const words = inWords(record, prepared, example.tokens, example.pivot, node, example.start === 0);
  return [example.set === "false-positive" ? "matched: " : "below threshold: ", ...words];
}

/** Whether neuron and graph agree at the pivot; the page's server part marks the examples it holds in the same way. */
function outcome(page, record, example) {
  const fires = example.activations[example.pivot] >= Number(page.dataset.firing);
  const predicted = example.predictions[example.pivot];
  const says = predicted > 0 && predicted >= (record.graph?.decision_threshold ?? Infinity);
  if (!fires && !says) return [];
  return [make("i", { class: `outcome ${fires && says ? "right" : "wrong"}` }, fires && says ? "✓" : "✗"), " "];
}

/** An example that the page does not hold itself; `times` texts are like it. Its id is that of its section, with its rank there. */
function item(page, record, prepared, id, index, times, around) {
  const example = record.examples[index];
  const paragraph = make("p", { class: "tokens", dir: "auto", tabindex: 0 });
  fill(paragraph, record, example, around);
  const [actual, predicted] = [example.activations[example.pivot], example.predictions[example.pivot]];
  const value = make("a", { class: "value", href: `#${id}`, title: `actual ${shown(actual)}, predicted ${shown(predicted)}` }, ...outcome(page, record, example), shown(actual));
  if (times > 1) value.append(" ", make("small", { title: "documents with the same tokens around the pivot" }, `×${times}`));
  const text = make("div", {}, paragraph);
  if (example.set.startsWith("false")) text.append(make("p", { class: "path" }, ...reason(record, prepared, example)));
  const drawn = example.set === "firing" ? " · random document" : "";
  return make("li", { id, "data-example": index }, value, text, make("cite", { dir: "auto" }, shortened(plain(example.title ?? ""), 80), drawn));
}

/** Append the examples that a list names in `data-later` or `data-more`, but does not hold yet. Returns their elements. */
export function extend(page, list, key, record, around) {
  const named = list.dataset[key]?.split(",") ?? [];
  delete list.dataset[key];
  const prepared = record.graph && prepare(record.graph);
  return named.map((one) => {
    const [index, times] = one.split("*").map(Number);
    const added = item(page, record, prepared, `${list.parentElement.id}-${list.children.length + 1}`, index, times, around);
    list.append(added);
    return added;
  });
}
