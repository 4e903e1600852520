// Where things are: every address is relative to the site's root, so that the site works under any path.
export const root = new URL("../", import.meta.url);

export const pageOf = (id) => new URL(`neurons/${id.replace(".", "/")}/index.html`, root).href;

/** Where the record of a neuron is, for `load`. */
export const recordAt = (id) => `neurons/${id.replace(".", "/")}/record.json.gz`;

const loaded = new Map();

/** JSON of a gzip file; some servers unpack it on the way. */
async function unpacked(answer) {
  const data = await answer.blob();
  const [first, second] = new Uint8Array(await data.slice(0, 2).arrayBuffer());
  const stream = data.stream();
  return new Response(first === 0x1f && second === 0x8b ? stream.pipeThrough(new DecompressionStream("gzip")) : stream).json();
}

/** JSON of the site, fetched once. */
export function load(path) {
  if (!loaded.has(path)) {
    loaded.set(path, fetch(new URL(path, root)).then((answer) => {
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
      return path.endsWith(".gz") ? unpacked(answer) : answer.json();
    }));
  }
  return loaded.get(path);
}

/** How many files of the site were loaded so far. */
export const loads = () => loaded.size;

/** All neuron ids, in order. */
export async function allIds() {
  const ids = [];
  for (const [layer, first, last, suffix, letter = "N"] of await load("data/ids.json")) {
    for (let neuron = first; neuron <= last; neuron += 1) ids.push(`L${layer}.${letter}${neuron}${suffix}`);
  }
  return ids;
}

// Neurons whose patterns, drawings and the like are in a file together, and whose cards are; search_indexes.py writes them so.
export const [GROUP, CARDS] = [64, 16];

/** What `data/{folder}/` has of a neuron, whose files hold the neurons group by group. */
export async function dataOf(folder, id, group = GROUP) {
  const row = (await allIds()).indexOf(id);
  return (await load(`data/${folder}/${Math.floor(row / group)}.json.gz`))[row % group];
}

/** A number as the pages print it: three significant digits. */
export function shown(value) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value) >= 1000 || Number.isInteger(value) ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  return text.replace("-", "−");
}

/** A score as the table prints it: three decimals. */
export const ratio = (value) => (value === null ? "–" : value.toFixed(3).replace("-", "−"));

/** Replace the page's query string; empty values are left out. */
export function keepInUrl(values) {
  const url = new URL(location);
  for (const [key, value] of Object.entries(values)) {
    if (value === "" || value === null || value === undefined) url.searchParams.delete(key);
    else url.searchParams.set(key, value);
  }
  history.replaceState(null, "", url);
}

/** The function, called once after calls have ceased for a moment. */
export function settled(action, wait = 150) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait);
  };
}

/** An element with attributes and children; text is never read as HTML. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
