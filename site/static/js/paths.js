// The path of a graph that decides a prediction: in words, and lit in the graph.
import { pathTo, predict, trace } from "./predict.js";
import { make } from "./site.js";
import { shortened, visible } from "./token_display.js";

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
