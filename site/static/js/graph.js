// The graph: zoom, drag, and a click on a node that shows the examples that pass through it.
import { recordOf, fill } from "./neuron.js";
import { pathTo, predict, prepare, trace } from "./predict.js";
import { allIds, keepInUrl, load, make, pageOf, root, shown } from "./site.js";
import { plain, shortened, visible } from "./token_display.js";
import { wordsOf } from "./tokenizer.js";

const GROUP = 64; // drawings a file
const LINKS = 60; // tokens of a node that are listed
const STRONGEST = 4; // of them, other neurons with these
const OTHERS = 12; // are listed

const SMALLEST = 160; // pixels of an embedded picture's height

const ZOOMS = [0.4, 0.5, 0.65, 0.8, 1, 1.25, 1.6, 2, 2.5];

function zoomable(figure, canvas) {
  let zoom = 1;
  const set = (next) => {
    const svg = canvas.querySelector("svg");
    zoom = Math.min(ZOOMS.at(-1), Math.max(0.1, next));
    svg.setAttribute("width", svg.viewBox.baseVal.width * zoom);
    svg.setAttribute("height", svg.viewBox.baseVal.height * zoom);
  };
  const step = (up) => set(up ? ZOOMS.find((one) => one > zoom + 0.01) ?? zoom : ZOOMS.findLast((one) => one < zoom - 0.01) ?? zoom);
  const fit = () => {
    const { width, height } = canvas.querySelector("svg").viewBox.baseVal;
    set(Math.min(1, (canvas.clientWidth - 24) / width, (canvas.clientHeight - 24) / height));
  };
  const tools = figure.querySelector(".tools");
  for (const [name, label, action] of [["−", "Smaller", () => step(false)], ["+", "Larger", () => step(true)], ["1:1", "1:1, natural size", () => set(1)], ["Fit", "Fit into the frame", fit]]) {
    const button = make("button", { type: "button", "aria-label": label, title: label }, name);
    button.addEventListener("click", action);
    tools.append(button);
  }
  if (document.documentElement.classList.contains("embed")) {
    const fill = () => {
      const below = figure.getBoundingClientRect().bottom - canvas.getBoundingClientRect().bottom;
      canvas.style.height = `${Math.max(SMALLEST, innerHeight - canvas.getBoundingClientRect().top - scrollY - below - 10)}px`;
      fit();
    };
    addEventListener("resize", fill);
    fill();
  }
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    step(event.deltaY < 0);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "-") step(event.key === "+");
    if (event.key === "0") set(1);
  });
}

/** A link that saves what `content` makes when it is first clicked. */
function saved(name, file, type, content) {
  const link = make("a", { href: "#", download: file }, name);
  link.addEventListener("click", async (event) => {
    if (link.href.startsWith("blob:")) return;
    event.preventDefault();
    link.href = URL.createObjectURL(new Blob([await content()], { type }));
    link.click();
  });
  return link;
}

/** The picture as a file that needs no other. */
async function pictureOf(svg) {
  const copy = svg.cloneNode(true);
  for (const name of ["width", "height"]) copy.setAttribute(name, svg.viewBox.baseVal[name]);
  const style = document.createElementNS(svg.namespaceURI, "style");
  style.textContent = await (await fetch(new URL("css/palette.css", root))).text();
  copy.prepend(style);
  return new XMLSerializer().serializeToString(copy);
}

async function dotOf(id) {
  const row = (await allIds()).indexOf(id);
  return (await load(`data/dot/${Math.floor(row / GROUP)}.json.gz`))[row % GROUP];
}

function draggable(canvas) {
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) from = [event.clientX + canvas.scrollLeft, event.clientY + canvas.scrollTop];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from && event.buttons) [canvas.scrollLeft, canvas.scrollTop] = [from[0] - event.clientX, from[1] - event.clientY];
  });
  for (const kind of ["pointerup", "pointerleave"]) canvas.addEventListener(kind, () => { from = null; });
}

/** Examples with a prediction whose path runs through the node: [example, positions that the node read]. */
export function through(record, prepared, id) {
  const found = [];
  for (const example of record.examples) {
    const anchored = example.start === 0;
    const { decided } = predict(prepared, example.tokens, anchored);
    const read = decided.flatMap((node, pivot) => (node && pathTo(prepared, node).includes(id) ? trace(prepared, example.tokens, pivot, node, anchored) : []));
    if (read.length) found.push([example, new Set(read.filter(([node]) => node === id).map(([, at]) => at)), read.length && read[0][1]]);
  }
  return found;
}

/** [token, weight] of a node, those that the neuron fires on most often first. */
const byEvidence = (node) => {
  const counts = new Map(node.counts);
  const count = (token) => counts.get(token) ?? 0;
  return node.tokens.map((token, at) => [token, node.weights[at]]).sort((a, b) => count(b[0]) - count(a[0]) || b[1] - a[1]);
};

/** Neurons whose graphs hold the strongest tokens of a node too, best first. */
async function others(node, vocabulary, id) {
  const { find, rank } = await import("./tokens.js");
  const strongest = byEvidence(node).slice(0, STRONGEST).map(([token]) => token).filter((token) => token in vocabulary);
  const entries = (await Promise.all(strongest.map((token) => find(vocabulary[token], "exact", "")))).flat();
  const hits = rank(entries.filter(([, , token]) => strongest.includes(token)), "").filter(({ roles }) => roles.has(0) || roles.has(1));
  const ids = await allIds();
  return [...new Set(hits.map(({ row }) => ids[row]))].filter((one) => one !== id).slice(0, OTHERS);
}

function tokenLinks(node, vocabulary) {
  const order = byEvidence(node);
  const links = order.slice(0, LINKS).map(([token, weight]) => {
    const url = new URL("search/index.html", root);
    url.search = new URLSearchParams({ q: visible(vocabulary[token] ?? ""), in: "tokens", match: "exact" });
    return make("a", { href: url.href, title: `token ${token}, weight ${shown(weight)}: other neurons with it` }, make("code", {}, shortened(visible(vocabulary[token] ?? `#${token}`), 60)));
  });
  return order.length > LINKS ? [...links, `and ${order.length - LINKS} more`] : links;
}

/** Scroll a frame, and nothing around it, so that the node is seen. */
function into(frame, node) {
  const [one, box] = [node.getBoundingClientRect(), frame.getBoundingClientRect()];
  frame.scrollBy((one.left + one.right - box.left - box.right) / 2, (one.top + one.bottom - box.top - box.bottom) / 2);
}

async function panelOf(record, prepared, id, title, below) {
  const node = prepared.nodes.get(id);
  const missing = (node.tokens ?? []).filter((token) => !(token in record.vocabulary));
  const vocabulary = missing.length ? { ...(await wordsOf(missing).catch(() => ({}))), ...record.vocabulary } : record.vocabulary;
  const found = below ? [] : through(record, prepared, id);
  const panel = make("section", { class: "through examples", "aria-label": "Selected node", "aria-live": "polite" });
  panel.append(make("h3", {}, node.tokens ? "Node: " : title, ...(node.tokens ? tokenLinks(node, vocabulary).flatMap((link) => [link, " "]) : [])));
  const facts = [];
  if (node.end) facts.push(`A full pattern starts here: activation ${shown(node.end.activation)}, ${node.end.support} training ${node.end.support === 1 ? "example" : "examples"}${node.end.precision === null ? "" : `, precision ${shown(node.end.precision)}`}.`);
  if (typeof node.cost === "number") facts.push(node.cost === 0 ? "Without this node, F1 on validation documents stays the same." : `Without this node, F1 on validation documents ${node.cost > 0 ? "falls" : "rises"} by ${shown(Math.abs(node.cost))}.`);
  if (below) facts.push("Below the decision threshold: these tokens set the predicted level, and never make the graph fire.");
  else facts.push(`${found.length} of ${record.examples.length} examples pass through this node.`);
  panel.append(make("p", {}, facts.join(" ")));
  const similar = node.tokens ? await others(node, vocabulary, record.id) : [];
  if (similar.length) panel.append(make("p", { class: "others" }, "Other neurons with its strongest tokens: ", ...similar.flatMap((one, at) => [at ? " · " : "", make("a", { href: pageOf(one) }, one)])));
  const list = make("ol");
  for (const [example, marked, pivot] of found.slice(0, 12)) {
    const paragraph = make("p", { class: "tokens", dir: "auto" });
    fill(paragraph, record, { ...example, pivot }, "16", marked);
    list.append(make("li", {}, make("span", { class: "value" }, shown(example.activations[pivot])), paragraph, make("cite", {}, `${example.split}: `, make("bdi", {}, shortened(plain(example.title ?? ""), 80)))));
  }
  panel.append(list);
  return panel;
}

/** What a page does not hold of a graph with many patterns: the whole picture, and the further rows of the table. */
async function furtherOf(id) {
  const row = (await allIds()).indexOf(id);
  return (await load(`data/further/${Math.floor(row / GROUP)}.json.gz`))[row % GROUP];
}

function patternRow([node, parts, share, support, hits, misses]) {
  const words = parts.flatMap(([kind, text], at) => [at ? " " : "", make("span", { class: kind }, text)]);
  const cells = [share === null ? "" : `${Math.round(100 * share)} %`, support, hits, misses];
  return make("tr", { "data-node": node }, make("th", { scope: "row" }, make("span", { class: "pattern" }, ...words)), ...cells.map((text) => make("td", {}, text ?? "")));
}

/** The rows and the picture as they can be chosen: one node is in the order of the Tab key, arrow keys go to the others. */
function choosable(canvas, table) {
  canvas.querySelector("svg").setAttribute("role", "group");
  canvas.querySelectorAll(".node").forEach((group, at) => {
    const label = `${group.querySelector("text").textContent} – ${group.querySelector("title")?.textContent ?? "activating token"}`;
    for (const [name, value] of Object.entries({ tabindex: at ? -1 : 0, role: "button", "aria-pressed": "false", "aria-label": label.slice(0, 300) })) group.setAttribute(name, value);
  });
  for (const pattern of table?.querySelectorAll(".pattern") ?? []) {
    for (const [name, value] of Object.entries({ tabindex: 0, role: "button" })) pattern.setAttribute(name, value);
  }
}

export default function graph(figure) {
  const canvas = figure.querySelector(".canvas");
  const page = figure.closest("[data-id]");
  const { id } = page.dataset;
  const table = page.querySelector("table.patterns");
  zoomable(figure, canvas);
  draggable(canvas);
  choosable(canvas, table);
  page.querySelector(".downloads")?.append(
    " · ", saved("DOT", `${id}.dot`, "text/vnd.graphviz", () => dotOf(id)),
    " · ", saved("SVG", `${id}.svg`, "image/svg+xml", () => pictureOf(canvas.querySelector("svg"))));
  const byNode = (node) => canvas.querySelector(`.node[data-node="${CSS.escape(node)}"]`);
  const mark = (node) => {
    for (const row of table?.querySelectorAll("tr[data-node]") ?? []) row.classList.toggle("chosen", row.dataset.node === node);
    keepInUrl({ node });
  };
  let chosen = null;

  function close() {
    chosen?.classList.remove("chosen");
    chosen?.setAttribute("aria-pressed", "false");
    figure.querySelector(".through")?.remove();
    chosen = null;
    mark("");
  }

  async function choose(group) {
    const same = chosen === group;
    close();
    if (same) return;
    chosen = group;
    group.classList.add("chosen");
    group.setAttribute("aria-pressed", "true");
    const { node } = group.dataset;
    mark(node);
    into(canvas, group);
    const record = await recordOf(page);
    const panel = await panelOf(record, prepare(record.graph), Number(node), group.querySelector("title")?.textContent ?? "", group.classList.contains("background"));
    if (chosen === group) figure.append(panel);
  }

  /** What is chosen by a click or a key on a node or on a row of the table. */
  const groupAt = (target) => {
    const row = target.closest(".pattern")?.closest("tr");
    return row ? byNode(row.dataset.node) : target.closest(".node");
  };
  for (const place of [canvas, table]) {
    place?.addEventListener("click", ({ target }) => {
      const group = groupAt(target);
      if (group) choose(group);
    });
    place?.addEventListener("keydown", (event) => {
      const group = groupAt(event.target);
      if (!group || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      choose(group);
    });
  }
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const nodes = [...canvas.querySelectorAll(".node")];
    const next = step && nodes.includes(event.target) && nodes[nodes.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    event.target.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chosen) close();
  });

  const asked = new URL(location).searchParams.get("node") ?? "";
  if (table?.dataset.more) {
    const button = make("button", { type: "button", class: "more" }, `Show all patterns (${table.dataset.more} more)`);
    button.addEventListener("click", async () => {
      const { svg, rows } = await furtherOf(id);
      close();
      button.remove();
      canvas.replaceChildren(document.adoptNode(new DOMParser().parseFromString(svg, "text/html").querySelector("svg")));
      table.tBodies[0].append(...rows.map(patternRow));
      choosable(canvas, table);
    });
    table.nextElementSibling.append(button);
  }
  if (byNode(asked)) choose(byNode(asked));
}
