// The page of the search: what the box in the header asks for, in groups; the question and its filters are in the URL.
import { pages } from "./cards.js";
import { allIds, keepInUrl, loads, make, settled, unit } from "./site.js";
import * as finders from "./search_groups.js";

const FILES = 10; // that a search may load,
const FIRST = 1; // of which the list of neurons is one
const CARDS = 3; // of a group among others, each perhaps from a file of its own; of a group alone twice as many
const GROUPS = { neurons: `${unit[0].toUpperCase()}${unit.slice(1)}s`, tokens: "Tokens", patterns: "Patterns", words: "Words in excerpts", titles: "Titles", labels: "Labels", rules: "Rules" };
const LOOKED = { neurons: `${unit}s’ ids`, tokens: "tokens of the graphs", patterns: "patterns", words: "words in the strongest excerpts", titles: "titles of their documents", labels: "labels", rules: "rules" };

function section(name, found, question, only, shown) {
  const all = new URL(location);
  all.search = new URLSearchParams({ q: question, in: name });
  const filtered = name === "tokens" || name === "patterns";
  const wide = !only && (found.more || (filtered && found.count)) ? [make("p", {}, make("a", { href: all.href }, filtered ? "All, with filters" : "More"))] : [];
  const few = shown && found.rest ? found.hits.slice(0, shown) : found.hits;
  const cards = [...(shown ? pages(few, shown, found.draw) : []), ...(found.rest?.(shown) ?? [])];
  const heading = make("h2", { id: `found-${name}` }, GROUPS[name], " ", make("small", {}, found.what));
  return make("section", { class: "group", "data-group": name, "aria-labelledby": heading.id }, heading, ...found.content, ...cards, ...wide);
}

export default async function search(page) {
  const [place, output] = [".groups", ".found"].map((one) => page.querySelector(one));
  const names = page.dataset.groups.split(" ");
  const inputs = [...page.querySelectorAll("form [name]")];
  const box = document.querySelector(".search-box input");
  const ids = await allIds();
  let turn = 0;

  async function show() {
    const now = (turn += 1);
    const asked = new URL(location).searchParams;
    const question = asked.get("q") ?? "";
    const only = names.includes(asked.get("in")) ? asked.get("in") : "";
    const values = Object.fromEntries(inputs.map(({ name }) => [name, only ? asked.get(name) ?? "" : ""]));
    document.documentElement.dataset.in = only;
    const before = loads();
    const groups = [];
    if (question.trim() || question.length === 1) {
      for (const name of only ? [only] : names) {
        const found = await finders[name](question, { ids, values, only });
        if (now !== turn) return;
        if (found) groups.push([name, found]);
      }
    }
    let left = Math.max(1, FILES - FIRST - (loads() - before));
    const sections = groups.map(([name, found]) => {
      const shown = Math.min(found.hits?.length ?? 0, only ? 2 * CARDS : CARDS, left);
      left -= shown;
      return section(name, found, question, only, shown);
    });
    const said = groups.filter(([, { count }]) => count).map(([name, { what }]) => `${GROUPS[name].toLowerCase()} (${what})`);
    const looked = (only ? [only] : names).map((name) => LOOKED[name]).join(", ");
    const offered = new Set(sections.flatMap((one) => [...one.querySelectorAll("a")].map(({ href }) => href)));
    if (question && !said.length) sections.push(make("section", { class: "nothing" }, make("p", { class: "notice" }, `Looked for “${question}” among ${looked}.`), ...(await finders.suggestions(question, offered))));
    if (now !== turn) return;
    place.replaceChildren(...sections);
    if (only && question) place.prepend(make("p", {}, "Only ", GROUPS[only].toLowerCase(), ". ", finders.ask(question, "Search everything")));
    output.textContent = question ? (said.length ? `“${question}”: ${said.join(", ")}` : `Nothing found for “${question}”`) : "";
    document.documentElement.classList.toggle("asked", said.length > 0);
    page.dataset.searched = question;
  }

  function read() {
    const asked = new URL(location).searchParams;
    for (const input of inputs) input.value = asked.get(input.name) ?? "";
    if (document.activeElement !== box) box.value = asked.get("q") ?? "";
  }

  for (const form of page.querySelectorAll("form[data-for]")) {
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", settled(() => {
      keepInUrl(Object.fromEntries([...form.querySelectorAll("[name]")].map(({ name, value }) => [name, value])));
      show();
    }));
  }
  addEventListener("popstate", () => {
    read();
    show();
  });
  read();
  await show();
}
