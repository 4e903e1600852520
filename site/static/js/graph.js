// The graph: zoom, drag, and a click on a node that shows the examples that pass through it.
import { recordOf } from "./neuron.js";
import { pathTo, prepare } from "./predict.js";
import { dataOf, keepInUrl, make, root } from "./site.js";

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

/** Scroll a frame, and nothing around it, so that the node is seen. */
function into(frame, node) {
  const [one, box] = [node.getBoundingClientRect(), frame.getBoundingClientRect()];
  frame.scrollBy((one.left + one.right - box.left - box.right) / 2, (one.top + one.bottom - box.top - box.bottom) / 2);
}

/** A row of the table that the page does not hold itself. */
function patternRow([node, parts, share, support, top, random]) {
  const words = parts.flatMap(([kind, text], at) => [at ? " " : "", make("span", { class: kind }, text)]);
  const cells = [share === null ? "–" : `${Math.round(100 * share)} %`, support, top, random];
  return make("tr", { "data-node": node }, make("th", { scope: "row" }, make("div", {}, make("span", { class: "pattern" }, ...words))), ...cells.map((text) => make("td", {}, text ?? "")));
}

/** The rows and the picture as they can be chosen: one node is in the order of the Tab key, arrow keys go to the others. */
function choosable(canvas, table) {
  canvas.querySelector("svg").setAttribute("role", "group");
  canvas.querySelectorAll(".node").forEach((group, at) => {
    const label = `${group.querySelector("text").textContent} – ${group.querySelector("title")?.textContent ?? "activating token"}`;
    for (const [name, value] of Object.entries({ tabindex: at ? -1 : 0, role: "button", "aria-pressed": "false", "aria-label": label.slice(0, 300) })) group.setAttribute(name, value);
  });
  for (const pattern of table?.querySelectorAll(".pattern") ?? []) {
    for (const [name, value] of Object.entries({ tabindex: 0, role: "button", "aria-pressed": "false" })) pattern.setAttribute(name, value);
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
    " · ", saved("DOT", `${id}.dot`, "text/vnd.graphviz", () => dataOf("dot", id)),
    " · ", saved("SVG", `${id}.svg`, "image/svg+xml", () => pictureOf(canvas.querySelector("svg"))));
  const byNode = (node) => canvas.querySelector(`.node[data-node="${CSS.escape(node)}"]`);
  const mark = (node) => {
    for (const row of table?.querySelectorAll("tr[data-node]") ?? []) {
      row.classList.toggle("chosen", row.dataset.node === node);
      row.querySelector(".pattern").setAttribute("aria-pressed", row.dataset.node === node);
    }
    keepInUrl({ node });
    page.dispatchEvent(new CustomEvent("chosen", { detail: Number(node) }));
  };
  let chosen = null;

  function close() {
    chosen?.classList.remove("chosen");
    chosen?.setAttribute("aria-pressed", "false");
    page.querySelector(".through")?.remove();
    for (const one of canvas.querySelectorAll(".within")) one.classList.remove("within");
    chosen = null;
    mark("");
  }

  async function choose(group, below = false) {
    const same = chosen === group;
    close();
    if (same) return;
    chosen = group;
    group.classList.add("chosen");
    group.setAttribute("aria-pressed", "true");
    const { node } = group.dataset;
    mark(node);
    into(canvas, group);
    const [{ panelOf }, record] = await Promise.all([import("./node_panel.js"), recordOf(page)]);
    const prepared = prepare(record.graph);
    const words = table?.querySelector(`tr[data-node="${CSS.escape(node)}"] .pattern`)?.cloneNode(true);
    const panel = await panelOf(record, prepared, Number(node), group.querySelector("title")?.textContent ?? "", group.classList.contains("background"), words);
    if (chosen !== group) return;
    // A pattern is all nodes on the way to the one where it ends.
    for (const one of words ? pathTo(prepared, Number(node)) : []) byNode(String(one))?.classList.add("within");
    show(panel, below);
  }

  /** Beside the graph, where there are two columns: in sight of what was chosen, and yet not before a text that was. */
  function show(panel, below) {
    const evidence = page.querySelector(".evidence");
    const beside = evidence && !below && evidence.getBoundingClientRect().left > figure.getBoundingClientRect().right - 1;
    if (beside) evidence.querySelector(".examples").before(panel);
    else figure.append(panel);
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

  const button = table?.dataset.more ? make("button", { type: "button", class: "more" }, `Show all patterns (${table.dataset.more} more)`) : null;
  async function showAll() {
    const { svg, rows } = await dataOf("further", id);
    close();
    button.remove();
    canvas.replaceChildren(document.adoptNode(new DOMParser().parseFromString(svg, "text/html").querySelector("svg")));
    table.tBodies[0].append(...rows.map(patternRow));
    for (const said of figure.querySelectorAll(".legend [hidden]")) said.hidden = false;
    choosable(canvas, table);
    page.dispatchEvent(new Event("rows"));
  }
  button?.addEventListener("click", showAll);
  table?.nextElementSibling?.append(...(button ? [button] : []));

  /** What a token of an example or the address chooses may be in a pattern that is not shown yet. */
  async function find(node, below) {
    if (!byNode(node) && button?.isConnected) await showAll();
    const group = byNode(node);
    if (group && group !== chosen) choose(group, below);
  }
  page.addEventListener("choose", ({ detail }) => find(String(detail), true));
  const asked = new URL(location).searchParams.get("node");
  if (asked) find(asked);
}
