// A neuron's page: the value of a token on hover.
import { load } from "./site.js";

const shown = (value) => Number(value.toPrecision(3)).toString().replace("-", "−");

export default function neuron(page) {
  const { id } = page.dataset;
  const record = () => load(`neurons/${id.replace(".", "/")}/${id}.json`);
  page.querySelector("[data-examples]")?.addEventListener("pointerover", async (event) => {
    const token = event.target.closest(".tokens b");
    const item = event.target.closest("[data-example]");
    if (!token || !item || token.title) return;
    const example = (await record()).examples[item.dataset.example];
    const first = Math.max(0, example.pivot - 16);
    const at = first + [...token.parentElement.children].indexOf(token);
    const parts = [`activation ${shown(example.activations[at])}`];
    if (example.predictions) parts.push(`predicted ${shown(example.predictions[at])}`);
    token.title = `${parts.join(", ")} · token ${example.tokens[at]}`;
  });
}
