// The neurons that this one is related to: connected with it by weight, or alike in graph or behaviour.
import { allIds, load, make, pageOf, shown } from "./site.js";

const GROUP = 64; // neurons a file
const CONNECTED = {
  "upstream positive": "Before it, exciting",
  "upstream negative": "Before it, inhibiting",
  "downstream positive": "After it, excited",
  "downstream negative": "After it, inhibited",
};
const ALIKE = {
  similar: "Similar patterns",
  subset: "Covers its patterns",
  superset: "Its patterns cover",
  duplicate: "Same patterns",
  behaviour: "Activations correlate",
};

/** One list: neurons of the atlas are links, the others are only named. */
function list(title, rows, known) {
  const items = rows.map(([id, value]) => make("li", {}, known.has(id) ? make("a", { href: pageOf(id) }, id) : id, " ", make("span", { class: "n" }, shown(value))));
  return make("section", {}, make("h3", {}, title), make("ol", {}, ...items));
}

export default async function related(section) {
  const ids = await allIds();
  const row = ids.indexOf(section.closest("[data-id]").dataset.id);
  const [connected, alike] = (await load(`data/related/${Math.floor(row / GROUP)}.json.gz`))[row % GROUP];
  const known = new Set(ids);
  const of = (titles, lines, key, rest) => Object.entries(titles)
    .map(([name, title]) => [title, lines.filter((line) => key(line) === name).map(rest)])
    .filter(([, rows]) => rows.length).map(([title, rows]) => list(title, rows, known));
  const lists = [
    ...of(ALIKE, alike, ([kind]) => kind, ([, id, score]) => [id, score]),
    ...of(CONNECTED, connected, ([direction, sign]) => `${direction} ${sign}`, ([, , id, weight]) => [id, weight]),
  ];
  section.querySelector("div").replaceChildren(...lists);
  section.hidden = lists.length === 0;
}
