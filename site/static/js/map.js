// The map of all neurons: a row per layer, a cell per neuron, on one canvas whatever their number.
import { allIds, load, pageOf, shown } from "./site.js";

const MARGIN = 28; // pixels left of the cells, for the layers
const LINE = 11; // pixels from one layer's name to the next, at least

export default async function map(section) {
  const [canvas, select, output] = ["canvas", "select", "output"].map((name) => section.querySelector(name));
  const [ids, levels] = await Promise.all([allIds(), load("data/map.json.gz")]);
  const rows = new Map();
  ids.forEach((id, at) => {
    const layer = id.slice(1, id.indexOf("."));
    if (!rows.has(layer)) rows.set(layer, []);
    rows.get(layer).push(at);
  });
  const lines = [...rows.entries()];
  const longest = Math.max(...lines.map(([, cells]) => cells.length));
  const down = canvas.clientHeight / lines.length;
  const named = Math.ceil(LINE / down);
  let [line, column] = [0, 0];
  const ends = section.querySelectorAll(".map-key b");

  function draw() {
    const width = Math.max(1, canvas.clientWidth);
    const scale = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * scale, canvas.clientHeight * scale];
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(document.body);
    const none = style.getPropertyValue("--line");
    const colours = ["--soft", ...Array.from({ length: 9 }, (_, step) => `--c${step + 1}`)].map((name) => style.getPropertyValue(name));
    const across = (width - MARGIN) / longest;
    pen.font = `${LINE - 2}px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    pen.fillStyle = style.getPropertyValue("--quiet");
    lines.forEach(([layer], row) => row % named || pen.fillText(`L${layer}`, 0, (row + 0.5) * down));
    const gap = across > 4 ? 1 : 0;
    lines.forEach(([, cells], row) => cells.forEach((at, place) => {
      const level = levels[select.value][at];
      pen.fillStyle = level === "-" ? none : colours[Number(level)];
      pen.fillRect(MARGIN + place * across, row * down, Math.max(across - gap, 0.5), down - 1);
    }));
    if (document.activeElement === canvas) {
      pen.strokeStyle = style.getPropertyValue("--md-accent-fg-color");
      pen.lineWidth = 2;
      pen.strokeRect(MARGIN + column * across, row(line), across, down - 1);
    }
  }

  const row = (at) => at * down;
  const here = () => ids[lines[line][1][column]];

  function say() {
    const level = levels[select.value][lines[line][1][column]];
    const measure = select.selectedOptions[0].textContent.split(",")[0];
    output.value = `${here()}: ${level === "-" ? "no value" : select.value === "density" ? `about ${shown(10 ** (Number(level) * 0.6 - 6.2))}` : `${measure} ${Number(level) / 10}–${(Number(level) + 1) / 10}`}`;
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    line = Math.min(lines.length - 1, Math.max(0, Math.floor((event.clientY - box.top) / down)));
    const place = Math.floor(((event.clientX - box.left - MARGIN) / (box.width - MARGIN)) * longest);
    column = Math.min(lines[line][1].length - 1, Math.max(0, place));
    say();
  }

  canvas.addEventListener("pointermove", at);
  canvas.addEventListener("click", (event) => {
    at(event);
    location.href = pageOf(here());
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Enter") location.href = pageOf(here());
    if (!step) return;
    event.preventDefault();
    line = Math.min(lines.length - 1, Math.max(0, line + step[0]));
    column = Math.min(lines[line][1].length - 1, Math.max(0, column + step[1]));
    say();
    draw();
  });
  const explain = () => (select.value === "density" ? ["≤ 10⁻⁶", "≥ 0.1"] : ["0", "1"]).forEach((end, at) => { ends[at].textContent = end; });
  select.addEventListener("change", explain);
  explain();
  for (const kind of ["focus", "blur"]) canvas.addEventListener(kind, draw);
  select.addEventListener("change", draw);
  new ResizeObserver(draw).observe(canvas);
  draw();
  document.documentElement.dataset.ready = "map";
  new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
}
