// What every page has: the search box and keys, light and dark; and what its elements ask for: data-feature="table" runs
// the default export of table.js with that element.
import { allIds, make, pageOf, root, settled, unit } from "./site.js";

const KEYS = [["/", "search"], ["j", `next ${unit}`], ["k", `previous ${unit}`], ["Esc", "close what is open"], ["?", "these keys"]];

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

/** Where a question is answered: a neuron's page for its id, else the search. */
async function answer(question) {
  const { parseId } = await import("./ids.js");
  const id = parseId(question);
  if (id && (await allIds()).includes(id)) location.href = pageOf(id);
  else {
    const url = new URL("search/index.html", root);
    if (question) url.searchParams.set("q", question);
    if (!document.querySelector(".search-page")) location.href = url;
    else {
      history.pushState(null, "", url);
      dispatchEvent(new PopStateEvent("popstate"));
    }
  }
}

function search(form, input) {
  const go = (question) => {
    input.value = question;
    answer(question);
  };
  for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list" })) input.setAttribute(name, value);
  let suggestions = null; // not before something is typed
  input.addEventListener("input", settled(() => {
    suggestions ??= import("./suggest.js").then((feature) => feature.default(form, input, go), () => { suggestions = null; });
  }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(input.value);
  });
  form.querySelector("[data-random]").addEventListener("click", async () => {
    const ids = await allIds();
    location.href = pageOf(ids[Math.floor(Math.random() * ids.length)]);
  });
}

for (const element of document.querySelectorAll("[data-feature]")) {
  for (const name of element.dataset.feature.split(" ")) {
    import(`./${name}.js`).then((feature) => feature.default(element));
  }
}
const form = document.querySelector(".search-box");
search(form, form.querySelector("input"));
keys(form.querySelector("input"));
document.querySelector("button.scheme").addEventListener("click", () => {
  const { dataset } = document.body;
  dataset.mdColorScheme = dataset.mdColorScheme === "slate" ? "default" : "slate";
  globalThis.__md_set("scheme", dataset.mdColorScheme);
});
