// Search hits as cards with the neuron's graph, shown page by page.
import { make, pageOf, picture } from "./site.js";

const PAGE = 24;

/** A hit: the neuron, a line about it, the words that were found, in their order, and the tokens to mark in its graph. */
export const card = (id, about, words, tokens) => make("li", {},
  make("a", { href: pageOf(id), class: "hit" }, make("strong", {}, id), make("span", {}, about), make("code", {}, ...words.flatMap((word, at) => [at ? "  " : "", make("bdi", {}, word)])), picture(id, tokens)));

/** Fills a list with what `draw` makes of the hits; returns the function that is given new hits. */
export function pages(list, more, draw) {
  let hits = [];
  function extend() {
    list.append(...hits.slice(list.children.length, list.children.length + PAGE).map(draw));
    more.hidden = list.children.length >= hits.length;
  }
  more.addEventListener("click", extend);
  return (found) => {
    hits = found;
    list.replaceChildren();
    extend();
  };
}
