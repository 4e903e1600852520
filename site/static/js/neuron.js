// A neuron's page: its record, the examples' values on hover, the length of their context, the paths that they take.
import { decided, inWords, lightUp } from "./paths.js";
import { prepare, trace } from "./predict.js";
import { keepInUrl, load, make, recordAt, shown } from "./site.js";
import { tokens, windowOf } from "./texts.js";
import { plain, shortened } from "./token_display.js";

const AROUND = { 5: "±5", 16: "±16", full: "all" };

export const recordOf = (page) => load(recordAt(page.dataset.id));

/** Refill the paragraph of an example. */
export function fill(paragraph, record, example, around, marked) {
  const [from, last] = around === "full" ? [0, example.tokens.length] : windowOf(example, Number(around));
  const first = Math.max(from, example.start === 0 && example.tokens[0] === record.graph?.bos ? 1 : 0);
  paragraph.dataset.first = first;
  paragraph.replaceChildren(...tokens(example, record.vocabulary, record.graph?.scale ?? record.statistics.maximum, first, last, marked));
}

/** Why the graph was wrong: the path that matched at the pivot of an error. */
function reason(record, prepared, example) {
  const node = decided(prepared, example)[example.pivot];
  if (!node) return ["no pattern matches"];
  const words = inWords(record, prepared, example.tokens, example.pivot, node, example.start === 0);
  return [example.set === "false-positive" ? "matched: " : "below threshold: ", ...words];
}

/** An example that the page does not hold itself; `times` texts are like it. */
function item(record, prepared, index, times, around) {
  const example = record.examples[index];
  const paragraph = make("p", { class: example.predictions ? "tokens held-out" : "tokens", dir: "auto" });
  fill(paragraph, record, example, around);
  const value = make("span", { class: "value" }, shown(Math.max(...example.activations)));
  if (times > 1) value.append(" ", make("small", { title: "documents with the same tokens around the pivot" }, `×${times}`));
  const text = make("div", {}, paragraph);
  if (example.set.startsWith("false")) text.append(make("p", { class: "path" }, ...reason(record, prepared, example)));
  return make("li", { "data-example": index }, value, text, make("cite", { dir: "auto" }, shortened(plain(example.title ?? ""), 80)));
}

/** Call once, when the element is soon to be seen. */
function whenNear(element, action) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    action();
  }, { rootMargin: "600px" });
  watcher.observe(element.parentElement);
}

/** Pointing at a token lights the path that predicts it, and marks what the path reads. */
async function pointed(page, token) {
  const record = await recordOf(page);
  if (!record.graph || !token.isConnected) return;
  const paragraph = token.parentElement;
  const example = record.examples[token.closest("[data-example]").dataset.example];
  const prepared = prepare(record.graph);
  const first = Number(paragraph.dataset.first);
  const at = [...paragraph.children].indexOf(token) + first;
  const node = decided(prepared, example)[at];
  lightUp(page, prepared, node);
  const read = new Set(node ? trace(prepared, example.tokens, at, node, example.start === 0).map(([, place]) => place) : []);
  [...paragraph.children].forEach((one, place) => one.classList.toggle("marked", read.has(place + first)));
}

export default function neuron(page) {
  const section = page.querySelector("[data-examples]");
  if (!section) return;
  for (const list of section.querySelectorAll("[data-later]")) whenNear(list, async () => {
    const record = await recordOf(page);
    const prepared = record.graph && prepare(record.graph);
    const around = section.querySelector("[aria-pressed=true]").value;
    for (const later of list.dataset.later.split(",")) {
      const [index, times] = later.split("*").map(Number);
      list.append(item(record, prepared, index, times, around));
    }
    delete list.dataset.later;
  });
  const refill = async (around) => {
    const record = await recordOf(page);
    for (const item of section.querySelectorAll("[data-example]")) {
      fill(item.querySelector(".tokens"), record, record.examples[item.dataset.example], around);
    }
  };
  const box = make("span", { class: "tools", role: "group", "aria-label": "Context" }, "Context ");
  const choose = (around) => {
    for (const button of box.querySelectorAll("button")) button.setAttribute("aria-pressed", button.value === around);
    keepInUrl({ context: around === "16" ? "" : around });
    refill(around);
  };
  for (const [value, name] of Object.entries(AROUND)) {
    const button = make("button", { type: "button", value, "aria-pressed": value === "16" }, name);
    button.addEventListener("click", () => choose(value));
    box.append(button);
  }
  section.querySelector(".hint").append(" ", box);
  const asked = new URL(location).searchParams.get("context");
  if (asked in AROUND) choose(asked);
  // Values come with the first touch, so that reading a page costs no second file.
  else for (const kind of ["pointerover", "focusin"]) section.addEventListener(kind, () => refill(box.querySelector("[aria-pressed=true]").value), { once: true });
  for (const kind of ["pointerover", "click"]) section.addEventListener(kind, (event) => {
    const token = event.target.closest("[data-example] .tokens[data-first] b");
    if (token) pointed(page, token);
  });
}
