// What the words in the search box may become: neurons, terms of the index, titles; listed below it as someone types.
import { begun, parseId } from "./ids.js";
import { allIds, make, settled, unit } from "./site.js";
import { LINE, TOKEN, WORD, entriesOf, keyOf } from "./terms.js";
import { plain, shortened, typed, visible } from "./token_display.js";

const [IDS, TERMS, TITLES] = [4, 6, 3]; // suggestions of each kind

/** [what is asked, what is shown, a remark] of what the words that are typed may become. */
async function suggest(words) {
  const ids = await allIds();
  const exact = parseId(words);
  const found = [...new Set([...(exact && ids.includes(exact) ? [exact] : []), ...begun(words, ids, IDS)])].slice(0, IDS).map((id) => [id, id, unit]);
  const question = typed(words);
  if (!question.trim() && question !== "\n") return found;
  const terms = new Map();
  const titles = new Map();
  for (const [key, kind, total, group, lines] of await entriesOf(keyOf(question), true, 2)) {
    if (kind === LINE) for (const [text, count] of lines) if (group === "title") titles.set(text, count);
    if (kind === LINE) continue;
    const term = terms.get(key) ?? { [TOKEN]: 0, [WORD]: 0 };
    term[kind] += total;
    terms.set(key, term);
  }
  const whole = (key) => key === keyOf(question);
  const weight = ({ [TOKEN]: tokens, [WORD]: excerpts }) => 2 * tokens + excerpts;
  const best = [...terms].sort(([a, one], [b, two]) => whole(b) - whole(a) || weight(two) - weight(one) || (a < b ? -1 : 1)).slice(0, TERMS);
  const most = [...titles].sort(([a, one], [b, two]) => two - one || (a < b ? -1 : 1)).slice(0, TITLES);
  return [
    ...found,
    ...best.map(([key, { [TOKEN]: tokens, [WORD]: excerpts }]) => [visible(key), shortened(visible(key), 60), [tokens && "token", excerpts && "word in excerpts"].filter(Boolean).join(", ")]),
    ...most.map(([title]) => [title, shortened(plain(title), 60), "title"]),
  ];
}

/** The suggestions as a list that is worked by the keys of a combobox: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/ */
export default function combobox(form, input, choose) {
  const list = make("ul", { role: "listbox", id: "search-suggestions", "aria-label": "Suggestions", hidden: "" });
  form.append(list);
  input.setAttribute("aria-controls", list.id);
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

  const look = async () => {
    const now = (turn += 1);
    const found = input.value ? await suggest(input.value) : [];
    if (now === turn && document.activeElement === input) fill(found);
  };
  const take = (place) => {
    const [question] = options[place];
    close();
    choose(question);
  };
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) point(((at + 1 + step + options.length + 1) % (options.length + 1)) - 1);
    else if (event.key === "Escape" && options.length) close();
    else if (event.key === "Enter" && at >= 0) take(at);
    else return;
    event.preventDefault();
  });
  input.addEventListener("blur", close);
  form.addEventListener("submit", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (event) => take([...list.children].indexOf(event.target.closest("li"))));
  input.addEventListener("input", settled(look));
  look(); // for what was typed while this loaded
}
