// Two neurons side by side, named in the URL: ?a=L0.N1&b=L3.N7
import { cardOf, drawing } from "./cards.js";
import { nearest, parseId } from "./ids.js";
import { overlap, sharedExamples, sharedPatterns, tokensOf } from "./shared.js";
import { allIds, dataOf, keepInUrl, letter, load, make, pageOf, recordAt, shown, unit } from "./site.js";
import { tokens } from "./texts.js";
import { plain, shortened, visible } from "./token_display.js";

const TITLES = { top: "Top activations", quantile: "Across quantiles", random: "Random documents" };
const NUMBERS = { density: "activation density", maximum: "maximum", kurtosis: "kurtosis" };
const [TOKENS, PATTERNS, NAMED, EXAMPLES, AROUND] = [30, 12, 4, 8, 12];
const SMALLEST = 0.5; // scale of the pictures

function side(record, svg) {
  const scores = Object.entries(TITLES).filter(([set]) => record.metrics[set]?.graph).map(([set, title]) => make("tr", {},
    make("th", { scope: "row" }, title),
    ...["precision", "recall", "f1", "correlation"].map((name) => make("td", { class: "n" }, record.metrics[set].graph[name]?.toFixed(2) ?? "–"))));
  const heads = ["", "Precision", "Recall", "F1", "r"].map((head, at) => make(head ? "th" : "td", { scope: head ? "col" : null, class: at ? "n" : null }, head));
  const numbers = Object.entries(NUMBERS).map(([name, title]) => `${title} ${shown(record.statistics[name])}`).join(" · ");
  return make("section", {},
    make("h2", {}, make("a", { href: pageOf(record.id) }, record.id), " ", make("span", { class: `status ${record.status}` }, record.status)),
    make("p", {}, record.explanation || record.reason || ""),
    make("div", { class: "frame", tabindex: 0, role: "group", "aria-label": `Graph of ${record.id}` }, ...(svg ? [drawing(svg)] : ["No graph."])),
    make("table", { class: "sortable" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...scores)),
    make("p", { class: "hint" }, numbers));
}

/** Both pictures at one scale, at which both fit their frames if that is not too small. */
function scale(frames) {
  const pictures = frames.map((frame) => [frame, frame.querySelector("svg")]).filter(([, svg]) => svg);
  const fits = pictures.map(([frame, svg]) => Math.min(1, (frame.clientWidth - 20) / svg.viewBox.baseVal.width, (frame.clientHeight - 20) / svg.viewBox.baseVal.height));
  const zoom = Math.max(SMALLEST, Math.min(...fits));
  for (const [, svg] of pictures) for (const name of ["width", "height"]) svg.setAttribute(name, svg.viewBox.baseVal[name] * zoom);
}

const word = (record, token) => make("code", {}, shortened(visible(record.vocabulary[token] ?? `#${token}`), 40));
const spaced = (parts) => parts.flatMap((part) => [part, " "]);

function element(record, { tokens: ids, kind, max }) {
  if (!ids) return [{ gap: `… ≤${max}`, wildcard: "∗", start: "⊢" }[kind]];
  const named = ids.slice(0, NAMED).flatMap((token, at) => [at ? "|" : "", word(record, token)]);
  return ids.length > NAMED ? [...named, ` +${ids.length - NAMED}`] : named;
}

function patterns(a, b) {
  const found = sharedPatterns(a, b);
  const rows = found.slice(0, PATTERNS).map(({ strengths, elements }) => make("tr", {},
    make("th", { scope: "row" }, ...spaced(elements.flatMap((one) => element(a, one)))),
    ...strengths.map((strength) => make("td", { class: "n" }, strength.toFixed(2)))));
  const heads = ["Pattern, with the tokens that both accept", a.id, b.id].map((head, at) => make("th", { scope: "col", class: at ? "n" : null, title: at ? `predicted activation relative to the ${unit}’s maximum` : null }, head));
  const table = make("table", { class: "sortable" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const more = found.length > rows.length ? [make("p", { class: "hint" }, `The strongest ${rows.length} of ${found.length}.`)] : [];
  return [make("h2", {}, "Shared patterns"), ...(rows.length ? [table, ...more] : [make("p", {}, "No pattern of one graph agrees with one of the other, element by element.")])];
}

function sharedTokens(a, b) {
  return ["activating", "context"].map((role) => {
    const { both, share } = overlap(tokensOf(a)[role], tokensOf(b)[role]);
    if (!both.length) return make("p", {}, `No shared ${role} tokens.`);
    return make("p", {}, make("strong", {}, `Shared ${role} tokens: ${both.length}`), ` (Jaccard index ${share.toFixed(2)}) `, ...spaced(both.slice(0, TOKENS).map((token) => word(a, token))), both.length > TOKENS ? `and ${both.length - TOKENS} more` : "");
  });
}

function examples(a, b, share) {
  const found = sharedExamples(a, b, share);
  const together = found.filter((one) => one.together).length;
  const line = (record, example, at, first, last) => {
    const own = { ...example, pivot: at - example.start };
    const begins = example.start === 0 && example.tokens[0] === record.graph?.bos ? 1 : 0;
    return make("p", { class: "tokens", dir: "auto" }, ...tokens(own, record.vocabulary, record.graph?.scale ?? record.statistics.maximum, Math.max(begins, first - example.start), last - example.start));
  };
  const items = found.slice(0, EXAMPLES).map(({ examples: pair, first, last, at, together: same }) => {
    const [from, to] = [Math.max(first, at - AROUND), Math.min(last, at + AROUND + 1)];
    const lines = [a, b].flatMap((record, number) => [make("span", { class: "value" }, record.id), line(record, pair[number], at, from, to)]);
    const where = same ? "" : "; they fire at different tokens";
    return make("li", {}, ...lines, make("cite", {}, make("bdi", {}, shortened(plain(pair[0].title ?? ""), 80)), where));
  });
  const said = found.length
    ? `Of the documents that both records quote, both ${unit}s fire in ${found.length}, and at the same token in ${together}. Fill: actual activation. Outlined: where both are strongest.`
    : `Both ${unit}s fire in none of the documents that both records quote.`;
  return [make("h2", {}, "Shared examples"), make("p", { class: "hint" }, said), make("ol", { class: "both" }, ...items)];
}

/** What the run says of the pair: similarity of patterns and correlation of activations. */
async function similarity(page, [a, b]) {
  if (!page.dataset.top) return [];
  const found = (await dataOf("similar", a))[b] ?? (await dataOf("similar", b))[a];
  const said = found
    ? Object.entries(found).map(([title, score]) => `${title}: ${score.toFixed(2)}`).join(" · ")
    : `Neither is among the ${page.dataset.top} ${unit}s most similar to the other, by patterns or by activations (a correlation of at least ${page.dataset.correlated} on test documents).`;
  return [make("p", { class: "similarity" }, said)];
}

export default async function compare(page) {
  const form = page.querySelector("form");
  const ids = await allIds();
  const asked = new URL(location).searchParams;
  const output = form.querySelector("output");
  form.elements.a.value ||= asked.get("a") ?? "";
  form.elements.b.value ||= asked.get("b") ?? "";

  async function show() {
    const names = ["a", "b"].map((name) => parseId(form.elements[name].value));
    const unknown = names.findIndex((name) => !ids.includes(name));
    if (unknown >= 0) {
      const name = names[unknown];
      output.textContent = name ? `${name} is not in this atlas; near: ${nearest(name, ids, 3).join(", ")}.` : `The ${unknown ? "second" : "first"} ${unit} is missing: write its layer and number as in L3.${letter}42.`;
      return;
    }
    output.textContent = "";
    keepInUrl({ a: names[0], b: names[1] });
    const [records, cards, said] = await Promise.all([Promise.all(names.map((name) => load(recordAt(name)))), Promise.all(names.map(cardOf)), similarity(page, names)]);
    page.querySelector(".sides").replaceChildren(...records.map((record, at) => side(record, cards[at][1])));
    scale([...page.querySelectorAll(".sides .frame")]);
    page.querySelector(".shared").replaceChildren(...said, ...sharedTokens(...records), ...patterns(...records), ...examples(...records, Number(page.dataset.firing)));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
  if (form.elements.a.value && form.elements.b.value) await show();
}
