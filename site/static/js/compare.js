// Two neurons side by side, named in the URL: ?a=L0.N1&b=L3.N7
import { parseId } from "./ids.js";
import { picture } from "./cards.js";
import { allIds, keepInUrl, load, make, pageOf, recordAt, shown } from "./site.js";
import { shortened, visible } from "./token_display.js";

const TITLES = { top: "Top activations", quantile: "Across quantiles", random: "Random documents" };
const NUMBERS = { density: "activation density", maximum: "maximum", kurtosis: "kurtosis" };

/** Token ids of the activating nodes, and of the context; the background's, which have no text here, are left out. */
export function tokensOf(record) {
  const nodes = (record.graph?.nodes ?? []).filter((node) => node.tokens?.every((token) => token in record.vocabulary));
  const of = (active) => new Set(nodes.filter((node) => node.tokens && (node.parent === 0) === active).flatMap((node) => node.tokens));
  return { activating: of(true), context: of(false) };
}

/** What two sets of tokens share: the tokens, and the Jaccard index. */
export function overlap(a, b) {
  const both = [...a].filter((token) => b.has(token));
  const union = a.size + b.size - both.length;
  return { both, share: union ? both.length / union : 0 };
}

function side(record) {
  const link = pageOf(record.id);
  const scores = Object.entries(TITLES).filter(([set]) => record.metrics[set]?.graph).map(([set, title]) => make("tr", {},
    make("th", { scope: "row" }, title),
    ...["precision", "recall", "f1", "correlation"].map((name) => make("td", { class: "n" }, record.metrics[set].graph[name]?.toFixed(2) ?? "–"))));
  const heads = ["", "Precision", "Recall", "F1", "r"].map((head, at) => make("th", { scope: "col", class: at ? "n" : null }, head));
  const numbers = Object.entries(NUMBERS).map(([name, title]) => `${title} ${shown(record.statistics[name])}`).join(" · ");
  return make("section", {},
    make("h2", {}, make("a", { href: link }, record.id), " ", make("span", { class: `status ${record.status}` }, record.status)),
    make("p", {}, record.explanation || record.reason || ""),
    make("div", { class: "frame", tabindex: 0, role: "group", "aria-label": `Graph of ${record.id}` }, ...(record.graph?.nodes.length > 1 ? [picture(record.id)] : [])),
    make("table", { class: "sortable" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...scores)),
    make("p", { class: "hint" }, numbers));
}

function shared(a, b) {
  const words = (record, ids) => ids.flatMap((id) => [make("code", {}, shortened(visible(record.vocabulary[id]), 40)), " "]);
  return ["activating", "context"].map((role) => {
    const { both, share } = overlap(tokensOf(a)[role], tokensOf(b)[role]);
    return make("p", {}, make("strong", {}, `Shared ${role} tokens: ${both.length}`), ` (Jaccard index ${share.toFixed(2)}) `, ...words(a, both.slice(0, 30)));
  });
}

export default async function compare(page) {
  const form = page.querySelector("form");
  const ids = await allIds();
  const asked = new URL(location).searchParams;
  form.elements.a.value ||= asked.get("a") ?? "";
  form.elements.b.value ||= asked.get("b") ?? "";

  async function show() {
    const names = ["a", "b"].map((name) => parseId(form.elements[name].value));
    const unknown = names.findIndex((name) => !ids.includes(name));
    if (unknown >= 0) {
      form.querySelector("output").textContent = `${names[unknown] ?? ["The first neuron", "The second neuron"][unknown]} is not in this atlas.`;
      return;
    }
    form.querySelector("output").textContent = "";
    keepInUrl({ a: names[0], b: names[1] });
    const records = await Promise.all(names.map((name) => load(recordAt(name))));
    page.querySelector(".shared").replaceChildren(...shared(...records));
    page.querySelector(".sides").replaceChildren(...records.map(side));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
  if (form.elements.a.value && form.elements.b.value) await show();
}
