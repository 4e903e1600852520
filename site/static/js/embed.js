// A frame with this neuron for other sites: its HTML, to copy.
import { make } from "./site.js";

const [WIDTH, HEIGHT] = [800, 600];

/** Shows the HTML below the title, selected, and copies it where the browser allows that; a second call closes it. */
export async function offer(page) {
  const shown = page.querySelector(".embed-code");
  if (shown) return shown.remove();
  const url = new URL(location);
  url.hash = "";
  url.search = "embed=1";
  const frame = make("iframe", { src: url.href, width: WIDTH, height: HEIGHT, loading: "lazy", title: `${page.dataset.id}, ${page.querySelector(".embed-link").textContent}` });
  const code = make("input", { readonly: "", "aria-label": "HTML of a frame with this graph", value: frame.outerHTML });
  const said = make("output", { "aria-live": "polite" });
  page.querySelector("header.title").after(make("p", { class: "embed-code" }, code, " ", said));
  code.select();
  try {
    await navigator.clipboard.writeText(code.value);
    said.textContent = "Copied";
  } catch { /* forbidden, or no secure connection: it is selected, for the keys of the reader's system */ }
}
