// Try it: what this neuron's graph predicts for any text, with the matched path lit in the graph, and where a rule
// matches: the neuron's own, or what it is changed to.
import { recordOf } from "./neuron.js";
import { predict, prepare, trace } from "./predict.js";
import { matches } from "./rule.js";
import { keepInUrl, settled, shown } from "./site.js";
import { lightUp, tokens } from "./texts.js";
import { encode, wordsOf } from "./tokenizer.js";

export default function tryIt(section) {
  const page = section.closest("[data-id]");
  const [input, text, output] = [section.querySelector("textarea"), section.querySelector(".tokens"), section.querySelector("output")];
  const [line, told] = [section.querySelector("input"), section.querySelector("output.rule")];
  let now = null;

  function light(pivot) {
    const { prepared, ids, result } = now;
    const node = result.decided[pivot];
    lightUp(page, prepared, node);
    const read = new Set(node ? trace(prepared, ids, pivot, node).map(([, at]) => at) : []);
    [...text.children].forEach((token, at) => {
      token.classList.toggle("marked", read.has(at + now.first));
      token.classList.toggle("pivot", at + now.first === pivot && node > 0);
    });
  }

  function applyRule() {
    if (!now) return;
    let found = [];
    try {
      found = matches(line.value, now.ids, now.words, now.bos);
      const count = found.filter(Boolean).length;
      told.textContent = now.ids.length > now.first ? `The rule matches ${count} ${count === 1 ? "token" : "tokens"}` : "";
    } catch (error) {
      told.textContent = error.message;
    }
    [...text.children].forEach((token, at) => token.classList.toggle("ruled", found[at + now.first] ?? false));
  }

  async function show() {
    const typed = input.value;
    keepInUrl({ text: typed, rule: line.value === line.defaultValue ? "" : line.value });
    const [record, ids] = await Promise.all([recordOf(page), encode(typed)]);
    if (typed !== input.value) return;
    const prepared = prepare(record.graph);
    const result = predict(prepared, ids);
    const first = ids[0] === record.graph.bos ? 1 : 0;
    const words = await wordsOf(ids);
    now = { prepared, ids, result, first, words, bos: record.graph.bos };
    // Nothing is measured here, so the colour of a token is the prediction.
    const spoken = tokens({ tokens: ids, activations: result.predicted, predictions: null }, words, record.graph.scale, first);
    spoken.forEach((token) => { token.title = token.title.replace("activation", "predicted"); });
    text.replaceChildren(...spoken);
    const most = Math.max(0, ...result.predicted);
    const fires = result.predicted.filter((value) => value > 0 && value >= record.graph.decision_threshold).length;
    output.textContent = typed === "" ? "" : `${ids.length - first} ${ids.length - first === 1 ? "token" : "tokens"}, ${fires} predicted to fire, largest prediction ${shown(most)}`;
    light(result.predicted.indexOf(most));
    applyRule();
    page.dataset.tried = typed;
  }

  const point = (event) => {
    const at = [...text.children].indexOf(event.target.closest("b"));
    if (at >= 0) light(at + now.first);
  };
  text.addEventListener("pointerover", point);
  text.addEventListener("click", point);
  input.addEventListener("input", settled(show));
  line.addEventListener("input", settled(show));
  line.value = new URL(location).searchParams.get("rule") ?? line.value;
  input.value ||= new URL(location).searchParams.get("text") ?? "";
  if (input.value) show();
}
