// What the search finds, group by group. Each function takes the question and how it is asked, and returns null where
// the group has nothing to say, else { count, what } and what is shown: `content`, then of the `hits` as many cards, made
// by `draw`, as the search may still load, then what `rest` makes of how many that were.
import { card, pages } from "./cards.js";
import { begun, nearest, parseId, parseLayer } from "./ids.js";
import { described, parse, search } from "./patterns.js";
import { make, pageOf, root, unit } from "./site.js";
import { LINE, WORD, entriesOf, keyOf, near, partsOf } from "./terms.js";
import { plain, shortened, typed, visible } from "./token_display.js";
import { ROLES, cut, find, rank } from "./tokens.js";

const WORDS = 4; // words of a question that are looked up
const FEW = { words: 12, lines: 8, ids: 6 }; // hits of a group among others
const MANY = { words: 300, lines: 40, ids: 12 };
const FILES = 3; // of patterns, for a search
const CHARACTERS = 3; // whose bytes are explained

export const counted = (count, word, words = `${word}s`) => `${count} ${count === 1 ? word : words}`;

/** A link to another question. */
export const ask = (question, words, more = {}) => {
  const url = new URL("search/index.html", root);
  url.search = new URLSearchParams({ q: question, ...more });
  return make("a", { href: url.href }, make("code", {}, words));
};

const joined = (parts, between = " · ") => parts.flatMap((part, at) => (at ? [between, part] : [part]));
const neuron = (id) => make("a", { href: pageOf(id) }, id);

export function neurons(question, { ids }) {
  const layers = [...new Set(ids.map((id) => id.slice(1, id.indexOf("."))))];
  const [id, layer] = [parseId(question), parseLayer(question)];
  const here = ids.includes(id);
  const others = begun(question, ids, 8).filter((one) => one !== id);
  const content = [];
  if (here) content.push(make("ol", { class: "hits" }, card(id, "its page")));
  else if (id) content.push(make("p", {}, `${id} is not in this atlas, whose layers are ${layers.join(", ")}. Near: `, ...joined(nearest(id, ids, 6).map(neuron))));
  const found = layers.includes(String(layer));
  if (found) content.push(make("p", {}, make("a", { href: new URL(`layers/L${layer}/index.html`, root).href }, `Layer ${layer}`)));
  if (others.length) content.push(make("p", {}, "Beginning so: ", ...joined(others.map(neuron))));
  const count = Number(here) + others.length;
  return content.length ? { count: count + Number(found), what: [found && "a layer", count && counted(count, "id")].filter(Boolean).join(", "), content } : null;
}

/** The bytes of characters that may be several tokens, and which of them are tokens of graphs. */
async function bytes(question) {
  const characters = [...new Set(question)].filter((one) => one > "\u007f").slice(0, CHARACTERS);
  return Promise.all(characters.map(async (character) => {
    const names = [...new TextEncoder().encode(character)].map((byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    const parts = names.flatMap((_, first) => names.slice(first).map((__, length) => names.slice(first, first + length + 1).join("")));
    const found = await Promise.all(parts.map(async (part) => [part, new Set(rank(await find(part, "exact", ""), "").map(({ row }) => row)).size]));
    const known = found.filter(([, count]) => count).map(([part, count]) => make("span", {}, ask(part, part, { in: "tokens", match: "exact" }), ` ${counted(count, unit)}`));
    const said = `“${visible(character)}” is the bytes ${names.join(" ")} in UTF-8; where the tokenizer has no token for it, the model reads tokens of such bytes, `;
    return make("p", { class: "bytes" }, said, ...(known.length ? ["and graphs hold these: ", ...joined(known)] : ["none of which is in a graph of this atlas."]));
  }));
}

export async function tokens(question, { ids, values, only }) {
  const asked = typed(question);
  let [entries, about] = [await find(asked, values.match, values.space), null];
  const spaced = /\S\s+\S/.test(asked);
  if (!entries.length && !only && (spaced || !asked.trim())) return null;
  const explained = entries.length ? [] : await bytes(asked);
  if (!entries.length && !values.match) {
    const close = await near(keyOf(asked), 8, 0);
    about = make("p", {}, `No graph holds the token ${visible(asked)}; rare words are several tokens.`, ...(close.length ? [" Tokens like it: ", ...joined(close.map((key) => ask(key, visible(key))))] : []));
    if (!close.length && !only && !explained.length) return null;
  }
  const hits = rank(entries, values.role);
  const draw = (hit) => {
    const texts = [...hit.tokens.values()].map(visible);
    const roles = [...hit.roles].sort().map((role) => ROLES[role]).join(" and ");
    const marked = hit.roles.has(0) || hit.roles.has(1) ? new Map([...hit.tokens].map(([token, text]) => [token, visible(text)])) : new Map();
    return card(ids[hit.row], `${roles}, strength ${(hit.strength / 100).toFixed(2)}, F1 ${(hit.f1 / 100).toFixed(2)}`, texts.length > 4 ? [...texts.slice(0, 4), `+${texts.length - 4}`] : texts, marked);
  };
  const what = `${counted(entries.length, "token")}, ${counted(hits.length, unit)}${cut(entries) ? " or more" : ""}`;
  return { count: hits.length, what, content: [...(about ? [about] : []), ...explained], hits, draw };
}

export async function patterns(question, { ids, values, only }) {
  let elements = parse(question);
  const alone = elements.length === 1 && elements[0].kind === "token" && elements[0].match !== "prefix";
  if (!elements.length || (alone && !only)) return null;
  const [least, most] = [Number(values.least) || 0, Number(values.most) || Infinity];
  const look = (files) => search(elements, least, most, ids.length, files);
  let [found, about] = [await look(FILES), []];
  if (!found.hits.length && !found.left && elements.length > 1 && elements.every(({ kind }) => kind === "token")) {
    elements = elements.flatMap((element, at) => (at ? [{ kind: "gap" }, element] : [element]));
    found = await look(FILES);
    if (found.hits.length) about = [make("p", {}, "With other tokens between:")];
  }
  if (!found.hits.length && !found.left && !only) return null;
  const draw = (hit) => {
    const { words, tokens: marked } = described(hit, elements);
    return card(ids[hit.row], `activation ${hit.activation}, F1 ${(hit.f1 / 100).toFixed(2)}${hit.patterns > 1 ? `, ${hit.patterns} matching patterns` : ""}`, words, marked);
  };
  if (found.left) {
    const further = make("button", { type: "button", class: "more" }, "Look through all of them");
    const rest = make("p", {}, `${counted(found.left, `other ${unit}`)} may have the pattern too. `, further);
    further.addEventListener("click", async () => {
      const { hits } = await look(Infinity);
      const section = rest.parentElement;
      section.querySelector("h2 small").textContent = `${hits.length} of ${ids.length} ${unit}s`;
      section.replaceChildren(section.firstElementChild, ...pages(hits, 6, draw));
    });
    about.push(rest);
  }
  const what = `${found.hits.length}${found.left ? " or more" : ""} of ${ids.length} ${unit}s`;
  return { count: found.hits.length, what, content: about, hits: found.hits, draw };
}

export async function words(question, { ids, only }) {
  const asked = partsOf(typed(question)).slice(0, WORDS);
  if (!asked.length) return null;
  const rows = await Promise.all(asked.map(async (word) => {
    const found = new Map();
    for (const [, kind, , flat] of await entriesOf(word)) {
      for (let at = 0; kind === WORD && at < flat.length; at += 3) found.set(flat[at], { row: flat[at], times: flat[at + 1], f1: flat[at + 2] });
    }
    return found;
  }));
  const hits = [...rows[0].values()].filter(({ row }) => rows.every((found) => found.has(row)))
    .map((hit) => ({ ...hit, times: Math.min(...rows.map((found) => found.get(hit.row).times)) }))
    .sort((a, b) => b.times - a.times || b.f1 - a.f1 || a.row - b.row);
  if (!hits.length) return null;
  const draw = ({ row, times, f1 }) => card(ids[row], `in ${times} of its strongest excerpts, F1 ${(f1 / 100).toFixed(2)}`);
  const most = (only ? MANY : FEW).words;
  const rest = (shown) => {
    const others = hits.slice(shown, shown + most).map(({ row, times }) => make("li", {}, neuron(ids[row]), " ", make("small", {}, `in ${times}`)));
    return others.length ? [make("ul", { class: "plain-hits" }, ...others)] : [];
  };
  return { count: hits.length, what: `near the strongest activations of ${counted(hits.length, unit)}`, content: [], hits, draw, rest, more: hits.length > most };
}

/** Lines of one kind, such as titles, that hold all words of the question. */
const lines = (group, what) => async (question, { ids, only }) => {
  const asked = partsOf(typed(question)).slice(0, WORDS);
  const entries = (await Promise.all(asked.map((word) => entriesOf(word)))).map((found) => found.find(([, kind, , name]) => kind === LINE && name === group));
  if (!entries.length || !entries.every(Boolean)) return null;
  const others = entries.slice(1).map(([, , , , found]) => new Set(found.map(([text]) => text)));
  const hits = entries[0][4].filter(([text]) => others.every((texts) => texts.has(text)));
  if (!hits.length) return null;
  const most = only ? MANY : FEW;
  const list = hits.slice(0, most.lines).map(([text, count, rows]) => make("li", {}, make("bdi", {}, shortened(plain(text), 160)), ": ", ...joined(rows.slice(0, most.ids).map((row) => neuron(ids[row]))), ...(count > most.ids ? [` and ${count - most.ids} more`] : [])));
  return { count: hits.length, what: counted(entries.length === 1 ? entries[0][2] : hits.length, what), content: [make("ul", { class: "plain-hits lines" }, ...list)], more: hits.length > list.length };
};

export const titles = lines("title", "document");
export const labels = lines("label", "label");
export const rules = lines("rule", "rule");

/** What to try where nothing was found and nothing but `offered` was offered: keys like the words of the question, each word alone, the text itself. */
export async function suggestions(question, offered) {
  const asked = [...new Set(partsOf(typed(question)))].slice(0, WORDS);
  const known = await Promise.all(asked.map(async (word) => ((await entriesOf(word)).length ? [word] : near(word, 6))));
  const keys = [...new Set(known.flat())].filter((key) => key !== question.toLowerCase());
  const links = keys.map((key) => ask(key, visible(key))).filter(({ href }) => !offered.has(href));
  const text = new URL("fires/index.html", root);
  text.search = new URLSearchParams({ text: question });
  return [
    ...(links.length ? [make("p", {}, "Near: ", ...joined(links))] : []),
    make("p", {}, make("a", { href: text.href }, "Run every graph on this text")),
  ];
}
