// The table of all neurons: sorted and filtered in the browser, its state in the URL, CSV of what is shown.
import { keepInUrl, load, make, pageOf, ratio, settled, shown, unit } from "./site.js";

const PAGE = 200;

async function allColumns() {
  const about = await load("data/table.json");
  const pieces = await Promise.all(Array.from({ length: about.pieces }, (_, at) => load(`data/table/${at}.json.gz`)));
  const values = Object.fromEntries(about.columns.map(({ key }) => [key, pieces.flatMap((piece) => piece[key])]));
  return { columns: about.columns, values, count: about.rows };
}

const order = (a, b) => {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
};

/** Numbers of the rows that meet the state, in its order. Rows without a value come last. */
export function select({ values, count, columns }, state) {
  const words = (state.words ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const bound = (text, otherwise) => (text && Number.isFinite(Number(text)) ? Number(text) : otherwise);
  const ranges = columns.filter(({ key, numeric }) => numeric && (state[`${key}.from`] || state[`${key}.to`]))
    .map(({ key }) => [values[key], bound(state[`${key}.from`], -Infinity), bound(state[`${key}.to`], Infinity)])
    .filter(([, low, high]) => low !== -Infinity || high !== Infinity);
  const layer = state.layer ? `L${state.layer}.` : "";
  const rows = [];
  for (let row = 0; row < count; row += 1) {
    if (layer && !values.id[row].startsWith(layer)) continue;
    if (state.status && values.status[row] !== state.status) continue;
    if (!ranges.every(([column, low, high]) => column[row] !== null && column[row] >= low && column[row] <= high)) continue;
    const said = words.length ? `${values.id[row]} ${values.explanation[row]}`.toLowerCase() : "";
    if (words.every((word) => said.includes(word))) rows.push(row);
  }
  if (state.sort) {
    const down = state.sort.startsWith("-");
    const key = state.sort.replace(/^-/, "");
    const column = Object.hasOwn(values, key) ? values[key] : values.id;
    rows.sort((a, b) => (column[a] === null || column[b] === null || !down ? order(column[a], column[b]) : order(column[b], column[a])) || a - b);
  }
  return rows;
}

function csv({ columns, values }, rows) {
  const cell = (value) => (typeof value === "number" ? value : value === null ? "" : `"${value.replaceAll('"', '""')}"`);
  const lines = rows.map((row) => columns.map(({ key }) => cell(values[key][row])).join(","));
  return [columns.map(({ key }) => key).join(","), ...lines].join("\n");
}

export default async function table(page) {
  const data = await allColumns();
  const [form, grid, more] = [page.querySelector("form"), page.querySelector("table"), page.querySelector(".more")];
  const inputs = [...form.querySelectorAll("[name]"), ...grid.querySelectorAll("[data-low],[data-high]")];
  const nameOf = (input) => input.name || (input.dataset.low ? `${input.dataset.low}.from` : `${input.dataset.high}.to`);
  const state = Object.fromEntries(new URL(location).searchParams);
  const headings = [...grid.querySelectorAll("th[data-key]")];
  let rows = [];

  function line(row) {
    const cells = data.columns.map(({ key, numeric, format }) => {
      const value = data.values[key][row];
      if (key === "id") return make("th", { scope: "row" }, make("a", { href: pageOf(value) }, value));
      if (key === "status") return make("td", {}, make("span", { class: `status ${value}` }, value));
      return make("td", { class: numeric ? "n" : "words", title: numeric ? null : value }, format === "ratio" ? ratio(value) : numeric ? shown(value) : value);
    });
    return make("tr", {}, ...cells);
  }

  function extend() {
    const body = grid.tBodies[0];
    body.append(...rows.slice(body.rows.length, body.rows.length + PAGE).map(line));
    more.hidden = body.rows.length >= rows.length;
  }

  function show() {
    rows = select(data, state);
    grid.tBodies[0].replaceChildren();
    extend();
    const wrong = inputs.filter((input) => !input.name && input.value.trim() && !Number.isFinite(Number(input.value)));
    for (const input of inputs) input.setAttribute("aria-invalid", wrong.includes(input));
    const remark = wrong.length ? `“${wrong[0].value}” is not a number (write 0.9); ` : "";
    form.querySelector("output").textContent = `${remark}${rows.length} of ${data.count} ${unit}s`;
    for (const heading of headings) {
      const sorted = state.sort?.replace(/^-/, "") === heading.dataset.key;
      heading.setAttribute("aria-sort", sorted ? (state.sort.startsWith("-") ? "descending" : "ascending") : "none");
    }
  }

  for (const input of inputs) {
    const name = nameOf(input);
    if (input.value) state[name] = input.value.trim(); // typed while this loaded
    else input.value = state[name] ?? "";
    input.addEventListener("input", settled(() => {
      state[name] = input.value.trim();
      keepInUrl({ [name]: state[name] });
      show();
    }));
  }
  for (const heading of headings) {
    heading.firstElementChild.addEventListener("click", () => {
      const { key } = heading.dataset;
      const down = state.sort === key || (state.sort !== `-${key}` && heading.classList.contains("n"));
      state.sort = (down ? "-" : "") + key;
      keepInUrl({ sort: state.sort });
      show();
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    for (const input of inputs) input.value = "";
    for (const key of Object.keys(state)) delete state[key];
    history.replaceState(null, "", location.pathname);
    show();
  });
  form.querySelector(".csv").addEventListener("click", (event) => {
    event.currentTarget.href = URL.createObjectURL(new Blob([csv(data, rows)], { type: "text/csv" }));
  });
  more.addEventListener("click", extend);
  grid.hidden = false;
  show();
}
