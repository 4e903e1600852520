// The search box in the header of every page: suggestions, the way to a neuron or to the search's page, and keys.
import { parseId } from "./ids.js";
import { allIds, make, pageOf, root, settled } from "./site.js";

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

/** Where a question is answered: a neuron's page for its id, else the search. */
async function answer(question) {
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

/** The suggestions as a list that is worked by the keys of a combobox: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/ */
function combobox(form, input, choose) {
  const list = make("ul", { role: "listbox", id: "search-suggestions", "aria-label": "Suggestions", hidden: "" });
  form.append(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list" })) input.setAttribute(name, value);
  let [options, at, turn] = [[], -1, 0];

  function point(next) {
    at = next;
    [...list.children].forEach((option, place) => option.setAttribute("aria-selected", place === at));
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", list.children[at].id);
      list.children[at].scrollIntoView({ block: "nearest" });
    }
  }

  function fill(found) {
    options = found;
    list.replaceChildren(...found.map(([, words, remark], place) => make("li", { role: "option", id: `search-suggestion-${place}`, "aria-selected": "false" }, make("b", {}, make("bdi", {}, words)), make("span", {}, remark))));
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", found.length > 0);
    point(-1);
  }

  function close() {
    turn += 1;
    fill([]);
  }

  input.addEventListener("input", settled(async () => {
    const now = (turn += 1);
    const { suggest } = await import("./suggest.js"); // not before something is typed
    const found = input.value ? await suggest(input.value) : [];
    if (now === turn && document.activeElement === input) fill(found);
  }));
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) point(((at + 1 + step + options.length + 1) % (options.length + 1)) - 1);
    else if (event.key === "Escape" && options.length) close();
    else return;
    event.preventDefault();
  });
  input.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (event) => choose(options[[...list.children].indexOf(event.target.closest("li"))][0]));
  return { close, chosen: () => options[at]?.[0] };
}

export default function searchBox(form) {
  const input = form.querySelector("input");
  keys(input);
  const go = (question) => {
    input.value = question;
    suggestions.close();
    answer(question);
  };
  const suggestions = combobox(form, input, go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(suggestions.chosen() ?? input.value);
  });
  form.querySelector("[data-random]").addEventListener("click", async () => {
    const ids = await allIds();
    location.href = pageOf(ids[Math.floor(Math.random() * ids.length)]);
  });
}
