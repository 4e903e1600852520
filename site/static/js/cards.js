// Search hits as cards with the neuron's sentence and graph, which come from small files of a few neurons each.
import { CARDS, dataOf, make, pageOf } from "./site.js";

const PAGE = 24; // further cards
const WIDE = "400px"; // how far below the window a picture is already loaded

/** [sentence, picture or null, { node: tokens that its box does not name }] of a neuron. */
export const cardOf = (id) => dataOf("cards", id, CARDS);

/** The picture of a card as an element. */
export const drawing = (svg) => document.adoptNode(new DOMParser().parseFromString(svg, "text/html").querySelector("svg"));

/** Marks the nodes that hold one of the tokens, a map of ids to what is shown of them, and brings the first into view.
 * Returns what else is to be said of where the tokens are. */
function light(place, tokens, hidden) {
  const texts = [...tokens.values()];
  const unnamed = (node) => (hidden[node.dataset.node] ?? []).some((token) => tokens.has(token));
  const named = (node) => [...node.querySelector("text").childNodes].some(({ textContent }) => texts.includes(textContent));
  const nodes = [...place.querySelectorAll(".node")];
  const held = nodes.filter((node) => named(node) || unnamed(node));
  for (const node of held) node.classList.add("lit");
  if (!held.length) return tokens.size && nodes.length ? "in a pattern that is not drawn here" : "";
  const [node, frame] = [held[0].getBoundingClientRect(), place.getBoundingClientRect()];
  place.scrollBy(Math.min(0, node.left - frame.left - 8), (node.top + node.bottom - frame.top - frame.bottom) / 2);
  return held.some(named) ? "" : "among the tokens that its box only counts";
}

/** A place for a neuron's graph, which is loaded once it is soon to be seen; `filled` is called with the card then. */
function picture(id, tokens = new Map(), filled = () => {}) {
  const place = make("span", { class: "small-picture", role: "img", "aria-label": `Graph of ${id}` });
  const watcher = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    const card = await cardOf(id);
    const [, svg, hidden] = card;
    if (svg) place.append(drawing(svg));
    filled(card, light(place, tokens, hidden));
  }, { rootMargin: WIDE });
  watcher.observe(place);
  return place;
}

/** A hit: the neuron, a line about it, its sentence, the words that were found in their order, and the tokens to mark. */
export function card(id, about, words = [], tokens = new Map()) {
  const [said, sentence] = [make("span", {}, about), make("span", { class: "sentence" })];
  const graph = picture(id, tokens, ([text], where) => {
    sentence.textContent = text;
    if (where) said.append(` · ${where}`);
  });
  const found = words.length ? [make("code", {}, ...words.flatMap((word, at) => [at ? "  " : "", make("bdi", {}, word)]))] : [];
  return make("li", {}, make("a", { href: pageOf(id), class: "hit" }, make("strong", {}, id), said, sentence, ...found, graph));
}

/** A list of cards, `first` of the hits at once and more by a button; `draw` makes a hit a card. */
export function pages(hits, first, draw) {
  const list = make("ol", { class: "hits" }, ...hits.slice(0, first).map(draw));
  const more = make("button", { type: "button", class: "more" }, "Show more");
  more.addEventListener("click", () => {
    const shown = list.children.length;
    list.append(...hits.slice(shown, shown + PAGE).map(draw));
    list.children[shown]?.querySelector("a").focus();
    if (list.children.length >= hits.length) more.remove();
  });
  return hits.length > first ? [list, make("p", {}, more)] : [list];
}
