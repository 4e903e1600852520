// The box in the header: a neuron's id opens its page, anything else is looked up as a token.
import { allIds, pageOf } from "./site.js";

/** "L3.N42" from what people type: l3n42, 3.42, L3 N42, 3/42-; null for other words. */
export function parseId(text) {
  const match = text.trim().match(/^l?(\d{1,5})[\s./,:]*n?(\d{1,5})(-?)$/i);
  const separated = match && /[\s./,:n]/i.test(text.trim().replace(/^l/i, ""));
  return separated ? `L${Number(match[1])}.N${Number(match[2])}${match[3]}` : null;
}

export default function jump(form) {
  const input = form.querySelector("input");
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
