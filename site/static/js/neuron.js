// A neuron's page: its record, the examples' values on hover, the length of their context, the paths that they take.
import { pathTo, prepare, trace } from "./predict.js";
import { keepInUrl, load, make, recordAt, shown } from "./site.js";
import { brief, decided, extend, fill, inWords, lightUp } from "./texts.js";

const AROUND = { 5: "±5", 10: "±10", 16: "±16", full: "all" };
const [EXCERPTS, BEFORE, AFTER] = [2, 3, 2]; // of a pattern: how many, and their tokens before and after

export const recordOf = (page) => load(recordAt(page.dataset.id));

/** Call once, when the element is soon to be seen. */
function whenNear(element, action) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    action();
  }, { rootMargin: "600px" });
  watcher.observe(element.parentElement);
}

/** Examples that a list does not hold at first: some come when it is soon to be seen, the others by a button, or with an
 * address that names one of them. `around`: gives their context; `added`: is called once they are there. */
function grow(page, list, around, added) {
  const add = async (...keys) => {
    const record = await recordOf(page);
    const items = keys.flatMap((key) => extend(page, list, key, record, around()));
    added(record);
    return items;
  };
  const button = make("button", { type: "button", class: "more" });
  const all = () => (button.remove(), add("later", "more"));
  if (list.dataset.later) whenNear(list, () => add("later"));
  if (list.dataset.more) {
    const count = list.dataset.more.split(",").length;
    button.append(`Show ${count} more`);
    button.addEventListener("click", async () => (await all()).at(-count).querySelector("a").focus());
    list.after(button);
  }
  const reach = () => {
    const { hash } = location;
    const missing = hash.startsWith(`#${list.parentElement.id}-`) && !document.getElementById(hash.slice(1));
    if (missing && (list.dataset.later || list.dataset.more)) all().then(() => location.replace(hash)); // the browser is asked again
  };
  addEventListener("hashchange", reach);
  reach();
}

/** Short excerpts beside each pattern, in which it decides what the graph predicts; at their pivots, if it does. */
async function exemplify(page) {
  const record = await recordOf(page);
  const prepared = prepare(record.graph);
  const found = new Map();
  const add = (example, at) => {
    const node = decided(prepared, example)[at];
    const known = found.get(node) ?? [];
    if (node && known.length < EXCERPTS && !known.some(([one]) => one === example)) found.set(node, [...known, [example, at]]);
  };
  for (const example of record.examples) add(example, example.pivot);
  for (const example of record.examples) example.tokens.forEach((_, at) => add(example, at));
  for (const row of page.querySelectorAll("tr[data-node]")) {
    const texts = (found.get(Number(row.dataset.node)) ?? []).map(([example, at]) => brief(record, example, at, BEFORE, AFTER));
    const seen = make("span", { class: "seen" }, ...texts.flatMap((text, at) => (at ? [" · ", text] : [text])));
    seen.title = seen.textContent;
    row.querySelector(".seen")?.remove();
    row.querySelector(".pattern").after(seen);
  }
}

/** Marks the tokens of the texts that are shown for which a path through the chosen node decides (0: none). */
function markThrough(page, record, node) {
  const prepared = record.graph && prepare(record.graph);
  for (const paragraph of page.querySelectorAll("[data-example] .tokens[data-first]")) {
    const example = record.examples[paragraph.closest("[data-example]").dataset.example];
    const first = Number(paragraph.dataset.first);
    const nodes = node ? decided(prepared, example) : [];
    [...paragraph.children].forEach((token, at) => token.classList.toggle("via", Boolean(nodes[at + first]) && pathTo(prepared, nodes[at + first]).includes(node)));
  }
}

/** Pointing at a token lights the path that predicts it, marks what the path reads, and says it in words. */
async function pointed(page, token, readout) {
  const record = await recordOf(page);
  if (!record.graph || !token.isConnected) return;
  const paragraph = token.parentElement;
  const example = record.examples[token.closest("[data-example]").dataset.example];
  const prepared = prepare(record.graph);
  const first = Number(paragraph.dataset.first);
  const at = [...paragraph.children].indexOf(token) + first;
  const node = decided(prepared, example)[at];
  lightUp(page, prepared, node);
  for (const row of page.querySelectorAll("tr[data-node]")) row.classList.toggle("lit", node > 0 && Number(row.dataset.node) === node);
  const read = new Set(node ? trace(prepared, example.tokens, at, node, example.start === 0).map(([, place]) => place) : []);
  [...paragraph.children].forEach((one, place) => one.classList.toggle("marked", read.has(place + first)));
  const words = node ? inWords(record, prepared, example.tokens, at, node, example.start === 0) : ["no pattern matches"];
  readout.replaceChildren(`predicted ${shown(example.predictions[at])}, actual ${shown(example.activations[at])}: `, ...words);
  return node;
}

/** The node that decides at a token is chosen in the graph and among the patterns too. */
async function chose(page, token, readout) {
  const node = await pointed(page, token, readout);
  if (node) page.dispatchEvent(new CustomEvent("choose", { detail: node }));
}

/** An example that has the focus says what is at its pivot; arrow keys walk along its tokens. */
function walkable(section, readout) {
  const page = section.closest("[data-id]");
  const clear = () => section.querySelectorAll(".current").forEach((one) => one.classList.remove("current"));
  const leave = () => {
    clear();
    for (const one of page.querySelectorAll(".lit")) one.classList.remove("lit");
    for (const one of section.querySelectorAll(".tokens .marked")) one.classList.remove("marked");
    readout.replaceChildren();
  };
  const stand = (paragraph, step) => {
    const now = Number(paragraph.dataset.at ?? paragraph.dataset.pivot) + step;
    const token = paragraph.children[Math.min(Math.max(now, 0), paragraph.children.length - 1)];
    paragraph.dataset.at = [...paragraph.children].indexOf(token);
    clear();
    token.classList.add("current");
    pointed(page, token, readout);
  };
  section.addEventListener("focusin", ({ target }) => {
    if (target.matches(".tokens[data-first]:focus-visible")) stand(target, 0);
  });
  section.addEventListener("keydown", (event) => {
    const paragraph = event.target.closest(".tokens[data-first]");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const current = paragraph?.querySelector(".current");
    if (event.key === "Escape") leave();
    if (current && event.key === "Enter") chose(page, current, readout);
    if (!paragraph || !step) return;
    event.preventDefault();
    stand(paragraph, step);
  });
}

/** What is typed needs more than the page: it comes when someone goes there, or at once for a text in the address. */
function startTry(page, section) {
  section.querySelector("input").defaultValue = page.querySelector("p.rule code")?.textContent ?? "";
  let begun = false;
  const begin = async () => {
    if (begun) return;
    begun = true;
    (await import("./try.js")).default(section);
  };
  for (const kind of ["pointerover", "focusin"]) section.addEventListener(kind, begin);
  const asked = ["text", "rule"].some((name) => new URL(location).searchParams.has(name));
  if (asked || section.contains(document.activeElement)) begin();
}

export default function neuron(page) {
  const section = page.querySelector(".try");
  if (section) startTry(page, section);
  const embed = page.querySelector("button.embed-this");
  embed?.addEventListener("click", async () => (await import("./embed.js")).offer(page));
  embed?.removeAttribute("disabled");
  const sections = [...page.querySelectorAll("[data-examples]")];
  if (!sections.length) return;
  const asked = new URL(location).searchParams.get("context");
  let chosen = Object.hasOwn(AROUND, asked) ? asked : null;
  const aroundIn = (section) => chosen ?? section.dataset.around;
  let node = 0; // chosen in the graph
  const filled = new Set();
  const refill = async (section) => {
    filled.add(section);
    const record = await recordOf(page);
    for (const one of section.querySelectorAll("[data-example]")) {
      const paragraph = one.querySelector(".tokens");
      fill(paragraph, record, record.examples[one.dataset.example], aroundIn(section));
      paragraph.tabIndex = 0;
    }
    markThrough(section, record, node);
  };
  for (const section of sections) {
    const readout = section.querySelector(".readout");
    for (const list of section.querySelectorAll("ol:is([data-later], [data-more])")) grow(page, list, () => aroundIn(section), (record) => markThrough(section, record, node));
    // Values come with the first touch.
    if (!chosen) for (const kind of ["pointerover", "focusin"]) section.addEventListener(kind, () => filled.has(section) || refill(section), { once: true });
    for (const [kind, action] of [["pointerover", pointed], ["click", chose]]) section.addEventListener(kind, (event) => {
      const token = event.target.closest("[data-example] .tokens[data-first] b");
      if (token) action(page, token, readout);
    });
    walkable(section, readout);
  }
  const box = make("span", { class: "tools", role: "group", "aria-label": "Context" }, "Context ");
  const press = () => {
    for (const button of box.querySelectorAll("button")) button.setAttribute("aria-pressed", button.value === aroundIn(sections[0]));
  };
  for (const [value, name] of Object.entries(AROUND)) {
    const button = make("button", { type: "button", value }, name);
    button.addEventListener("click", () => {
      chosen = value;
      press();
      keepInUrl({ context: value });
      sections.forEach(refill);
    });
    box.append(button);
  }
  press();
  sections[0].querySelector(".bar")?.append(box);
  if (chosen) sections.forEach(refill);
  page.addEventListener("chosen", async ({ detail }) => {
    if (node === detail) return;
    node = detail;
    const record = await recordOf(page);
    for (const section of sections) {
      if (filled.has(section)) markThrough(section, record, node);
      else refill(section);
    }
  });
  if (page.querySelector("tr[data-node]")) exemplify(page);
  page.addEventListener("rows", () => exemplify(page));
}
