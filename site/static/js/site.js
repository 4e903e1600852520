// Where things are: every address is relative to the site's root, so that the site works under any path.
export const root = new URL("../", import.meta.url);

export const pageOf = (id) => new URL(`neurons/${id.replace(".", "/")}/index.html`, root).href;

const loaded = new Map();

/** JSON of the site, fetched once. */
export function load(path) {
  if (!loaded.has(path)) {
    loaded.set(path, fetch(new URL(path, root)).then((answer) => {
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
      return answer.json();
    }));
  }
  return loaded.get(path);
}

/** All neuron ids, in order. */
export async function allIds() {
  const layers = await load("data/ids.json");
  return Object.keys(layers).map(Number).sort((a, b) => a - b)
    .flatMap((layer) => layers[layer].map((neuron) => `L${layer}.N${neuron}`));
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
