// What is known of a node that was chosen in the graph: its tokens, and the examples that pass through it.
import { ordered, pathTo, predict, trace } from "./predict.js";
import { allIds, make, pageOf, root, shown, unit } from "./site.js";
import { fill } from "./texts.js";
import { plain, shortened, visible } from "./token_display.js";
import { wordsOf } from "./tokenizer.js";
import { find, rank } from "./tokens.js";

const LINKS = 60; // tokens of a node that are listed
const STRONGEST = 4; // of them, other neurons with these
const OTHERS = 12; // are listed
const EXAMPLES = 6;

/** Examples with a prediction whose path runs through the node: [example, positions that the node read]. */
export function through(record, prepared, id) {
  const found = [];
  for (const example of record.examples) {
    const anchored = example.start === 0;
    const { decided } = predict(prepared, example.tokens, anchored);
    const read = decided.flatMap((node, pivot) => (node && pathTo(prepared, node).includes(id) ? trace(prepared, example.tokens, pivot, node, anchored) : []));
    if (read.length) found.push([example, new Set(read.filter(([node]) => node === id).map(([, at]) => at)), read.length && read[0][1]]);
  }
  return found;
}

/** Neurons whose graphs hold the strongest tokens of a node too, best first. */
async function others(node, vocabulary, id) {
  const strongest = ordered(node).slice(0, STRONGEST).filter((token) => token in vocabulary);
  const entries = (await Promise.all(strongest.map((token) => find(vocabulary[token], "exact", "")))).flat();
  const hits = rank(entries.filter(([, , token]) => strongest.includes(token)), "").filter(({ roles }) => roles.has(0) || roles.has(1));
  const ids = await allIds();
  return [...new Set(hits.map(({ row }) => ids[row]))].filter((one) => one !== id).slice(0, OTHERS);
}

function tokenLinks(node, vocabulary) {
  const order = ordered(node);
  const links = order.slice(0, LINKS).map((token) => {
    const url = new URL("search/index.html", root);
    url.search = new URLSearchParams({ q: visible(vocabulary[token] ?? ""), in: "tokens", match: "exact" });
    return make("a", { href: url.href, title: `token ${token}, weight ${shown(node.factor.get(token))}: other ${unit}s with it` }, make("code", {}, shortened(visible(vocabulary[token] ?? `#${token}`), 60)));
  });
  return order.length > LINKS ? [...links, `and ${order.length - LINKS} more`] : links;
}

/** The panel for a node of the graph. `title`: of one without tokens; `pattern`: the words of the pattern that ends there. */
export async function panelOf(record, prepared, id, title, below, pattern) {
  const node = prepared.nodes.get(id);
  const missing = (node.tokens ?? []).filter((token) => !(token in record.vocabulary));
  const vocabulary = missing.length ? { ...(await wordsOf(missing).catch(() => ({}))), ...record.vocabulary } : record.vocabulary;
  const found = below ? [] : through(record, prepared, id);
  const panel = make("section", { class: "through examples", "aria-label": "Selected node", "aria-live": "polite" });
  if (pattern) {
    for (const name of ["role", "tabindex", "aria-pressed"]) pattern.removeAttribute(name);
    panel.classList.add("patterned");
    panel.append(make("h3", {}, "Pattern: ", pattern));
  }
  panel.append(make(pattern ? "p" : "h3", {}, node.tokens ? "Node: " : title, ...(node.tokens ? tokenLinks(node, vocabulary).flatMap((link) => [link, " "]) : [])));
  const facts = [];
  if (node.end) facts.push(`A full pattern starts here: activation ${shown(node.end.activation)}, ${node.end.support} training ${node.end.support === 1 ? "example" : "examples"}${node.end.precision === null ? "" : `, precision ${shown(node.end.precision)}`}.`);
  if (typeof node.cost === "number") facts.push(node.cost === 0 ? "Without this node, F1 on validation documents stays the same." : `Without this node, F1 on validation documents ${node.cost > 0 ? "falls" : "rises"} by ${shown(Math.abs(node.cost))}.`);
  if (below) facts.push("Below the decision threshold: these tokens set the predicted level, and never make the graph fire.");
  else facts.push(`${found.length} of ${record.examples.length} examples pass through this node.`);
  panel.append(make("p", {}, facts.join(" ")));
  const similar = node.tokens ? await others(node, vocabulary, record.id) : [];
  if (similar.length) panel.append(make("p", { class: "others" }, `Other ${unit}s with its strongest tokens: `, ...similar.flatMap((one, at) => [at ? " · " : "", make("a", { href: pageOf(one) }, one)])));
  const list = make("ol");
  for (const [example, marked, pivot] of found.slice(0, EXAMPLES)) {
    const paragraph = make("p", { class: "tokens", dir: "auto" });
    fill(paragraph, record, { ...example, pivot }, "16", marked);
    list.append(make("li", {}, make("span", { class: "value" }, shown(example.activations[pivot])), paragraph, make("cite", {}, `${example.split}: `, make("bdi", {}, shortened(plain(example.title ?? ""), 80)))));
  }
  panel.append(list);
  return panel;
}
