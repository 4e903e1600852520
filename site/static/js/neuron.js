// A neuron's page: its record, the examples' values on hover, the length of their context, the paths that they take.
import { decided, inWords, lightUp } from "./paths.js";
import { prepare, trace } from "./predict.js";
import { keepInUrl, load, make, recordAt, shown } from "./site.js";
import { tokens, windowOf } from "./texts.js";
import { plain, shortened } from "./token_display.js";

const AROUND = { 5: "±5", 10: "±10", 16: "±16", full: "all" };
const OUTCOMES = { hit: ["right", "✓", "the neuron and the graph fire"], miss: ["wrong", "✗", "the neuron fires, the graph does not"], false: ["wrong", "✗", "the graph fires, the neuron does not"] };

export const recordOf = (page) => load(recordAt(page.dataset.id));

/** Refill the paragraph of an example. */
export function fill(paragraph, record, example, around, marked) {
  const [from, last] = around === "full" ? [0, example.tokens.length] : windowOf(example, Number(around));
  const first = Math.max(from, example.start === 0 && example.tokens[0] === record.graph?.bos ? 1 : 0);
  paragraph.dataset.first = first;
  paragraph.dataset.pivot = example.pivot - first;
  delete paragraph.dataset.at;
  paragraph.replaceChildren(...tokens(example, record.vocabulary, record.graph?.scale ?? record.statistics.maximum, first, last, marked));
}

/** Why the graph was wrong: the path that matched at the pivot of an error. */
function reason(record, prepared, example) {
  const node = decided(prepared, example)[example.pivot];
  if (!node) return ["no pattern matches"];
  const words = inWords(record, prepared, example.tokens, example.pivot, node, example.start === 0);
  return [example.set === "false-positive" ? "matched: " : "below threshold: ", ...words];
}

/** Whether neuron and graph agree at the pivot; the page's server part marks the examples it holds in the same way. */
function outcome(page, record, example) {
  const fires = example.activations[example.pivot] >= Number(page.dataset.firing);
  const predicted = example.predictions[example.pivot];
  const says = predicted > 0 && predicted >= (record.graph?.decision_threshold ?? Infinity);
  const found = fires && says ? "hit" : fires ? "miss" : says ? "false" : null;
  if (!found) return [];
  const [kind, mark, meaning] = OUTCOMES[found];
  return [make("i", { class: `outcome ${kind}`, title: meaning }, mark), " "];
}

/** An example that the page does not hold itself; `times` texts are like it. Its id is that of its section, with its rank there. */
function item(page, record, prepared, id, index, times, around) {
  const example = record.examples[index];
  const paragraph = make("p", { class: "tokens", dir: "auto" });
  fill(paragraph, record, example, around);
  const [actual, predicted] = [example.activations[example.pivot], example.predictions[example.pivot]];
  const value = make("a", { class: "value", href: `#${id}`, title: `actual ${shown(actual)}, predicted ${shown(predicted)}; a link to this example` }, ...outcome(page, record, example), shown(actual));
  if (times > 1) value.append(" ", make("small", { title: "documents with the same tokens around the pivot" }, `×${times}`));
  const text = make("div", {}, paragraph);
  if (example.set.startsWith("false")) text.append(make("p", { class: "path" }, ...reason(record, prepared, example)));
  return make("li", { id, "data-example": index }, value, text, make("cite", { dir: "auto" }, shortened(plain(example.title ?? ""), 80)));
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
  const words = node ? [": ", ...inWords(record, prepared, example.tokens, at, node, example.start === 0)] : [];
  readout.replaceChildren(`predicted ${shown(example.predictions[at])}, actual ${shown(example.activations[at])}`, ...words);
}

/** Arrow keys walk along the tokens of an example that has the focus. */
function walkable(section, readout) {
  section.addEventListener("keydown", (event) => {
    const paragraph = event.target.closest(".tokens[data-first]");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!paragraph || !step) return;
    event.preventDefault();
    const now = Number(paragraph.dataset.at ?? paragraph.dataset.pivot) + step;
    const token = paragraph.children[Math.min(Math.max(now, 0), paragraph.children.length - 1)];
    paragraph.dataset.at = [...paragraph.children].indexOf(token);
    for (const one of paragraph.querySelectorAll(".current")) one.classList.remove("current");
    token.classList.add("current");
    pointed(section.closest("[data-id]"), token, readout);
  });
}

export default function neuron(page) {
  const embed = page.querySelector("button.embed-this");
  embed?.addEventListener("click", async () => (await import("./embed.js")).offer(page));
  embed?.removeAttribute("disabled");
  const sections = [...page.querySelectorAll("[data-examples]")];
  if (!sections.length) return;
  const asked = new URL(location).searchParams.get("context");
  let chosen = asked in AROUND ? asked : null;
  const aroundIn = (section) => chosen ?? section.dataset.around;
  const refill = async (section) => {
    const record = await recordOf(page);
    for (const one of section.querySelectorAll("[data-example]")) {
      const paragraph = one.querySelector(".tokens");
      fill(paragraph, record, record.examples[one.dataset.example], aroundIn(section));
      paragraph.tabIndex = 0;
    }
  };
  const readout = page.querySelector(".readout") ?? make("output");
  for (const section of sections) {
    for (const list of section.querySelectorAll("[data-later]")) {
      const complete = async () => {
        const later = list.dataset.later?.split(",") ?? [];
        delete list.dataset.later;
        const record = await recordOf(page);
        const prepared = record.graph && prepare(record.graph);
        for (const one of later) {
          const [index, times] = one.split("*").map(Number);
          list.append(item(page, record, prepared, `${list.parentElement.id}-${list.children.length + 1}`, index, times, aroundIn(section)));
        }
      };
      whenNear(list, complete);
      // An example that the address names may be one of them: once it is there, the browser is asked again to go to it.
      const { hash } = location;
      if (hash.startsWith(`#${list.parentElement.id}-`) && !document.getElementById(hash.slice(1))) complete().then(() => location.replace(hash));
    }
    // Values come with the first touch, so that reading a page costs no second file.
    if (!chosen) for (const kind of ["pointerover", "focusin"]) section.addEventListener(kind, () => refill(section), { once: true });
    for (const kind of ["pointerover", "click"]) section.addEventListener(kind, (event) => {
      const token = event.target.closest("[data-example] .tokens[data-first] b");
      if (token) pointed(page, token, readout);
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
}
