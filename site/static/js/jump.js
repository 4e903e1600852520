// The box in the header: a neuron's id opens its page, anything else is looked up as a token.
import { allIds, make, pageOf } from "./site.js";

/** "L3.N42" from what people type: l3n42, 3.42, L3 N42, 3/42-; null for other words. */
export function parseId(text) {
  const match = text.trim().match(/^l?(\d{1,5})[\s./,:]*n?(\d{1,5})(-?)$/i);
  const separated = match && /[\s./,:n]/i.test(text.trim().replace(/^l/i, ""));
  return separated ? `L${Number(match[1])}.N${Number(match[2])}${match[3]}` : null;
}

const KEYS = [["/", "search"], ["j", "next neuron"], ["k", "previous neuron"], ["Esc", "close what is open"], ["?", "these keys"]];

/** Keys that work on every page, unless something is being typed. */
function keys(input) {
  const help = make("dialog", { class: "keys", "aria-label": "Keys" }, make("dl", {}, ...KEYS.flatMap(([key, meaning]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, meaning)])));
  document.body.append(help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const steps = { j: "a[rel=next]", k: "a[rel=prev]" };
    if (event.key === "/") input.focus();
    else if (event.key === "?") help.showModal();
    else if (steps[event.key]) document.querySelector(steps[event.key])?.click();
    else return;
    event.preventDefault();
  });
}

export default function jump(form) {
  const input = form.querySelector("input");
  keys(input);
  form.addEventListener("submit", async (event) => {
    const id = parseId(input.value);
    if (!id) return;
    event.preventDefault();
    if ((await allIds()).includes(id)) {
      location.href = pageOf(id);
    } else {
      form.classList.add("unknown");
      input.setCustomValidity(`${id} is not in this atlas.`);
      input.reportValidity();
    }
  });
  input.addEventListener("input", () => {
    form.classList.remove("unknown");
    input.setCustomValidity("");
  });
  form.querySelector("[data-random]").addEventListener("click", async () => {
    const ids = await allIds();
    location.href = pageOf(ids[Math.floor(Math.random() * ids.length)]);
  });
}
