// A neuron's page: its record, the examples' values on hover and the length of their context.
import { keepInUrl, load, make, shown, visible } from "./site.js";
import { tokens, windowOf } from "./texts.js";

const AROUND = { 5: "±5", 16: "±16", full: "all" };

export const recordOf = (page) => load(`neurons/${page.dataset.id.replace(".", "/")}/${page.dataset.id}.json.gz`);

/** Fill the paragraph of an example anew. */
export function fill(paragraph, record, example, around, marked) {
  const [from, last] = around === "full" ? [0, example.tokens.length] : windowOf(example, Number(around));
  const first = Math.max(from, example.start === 0 && example.tokens[0] === record.graph?.bos ? 1 : 0);
  paragraph.replaceChildren(...tokens(example, record.vocabulary, record.graph?.scale ?? record.statistics.maximum, first, last, marked));
}

/** An example that the page does not hold itself. */
function item(record, example, index, around) {
  const paragraph = make("p", { class: example.predictions ? "tokens held-out" : "tokens", dir: "ltr" });
  fill(paragraph, record, example, around);
  const value = make("span", { class: "value", title: "Largest activation in this text" }, shown(Math.max(...example.activations)));
  return make("li", { "data-example": index }, value, paragraph, make("cite", {}, visible(example.title ?? "").replaceAll("␣", " ")));
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

export default function neuron(page) {
  const section = page.querySelector("[data-examples]");
  if (!section) return;
  for (const list of section.querySelectorAll("[data-later]")) whenNear(list, async () => {
    const record = await recordOf(page);
    const around = section.querySelector("[aria-pressed=true]").value;
    for (const index of list.dataset.later.split(",")) list.append(item(record, record.examples[index], index, around));
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
}
