// A table that sorts by the column whose heading is clicked; the order is kept in the URL as ?sort=F1&down.
import { make } from "./site.js";

const value = (row, column) => {
  const text = row.cells[column].textContent.trim().replace("−", "-");
  const neuron = text.match(/^L(\d+)\.[NF](\d+)(-?)$/);
  if (neuron) return Number(neuron[1]) * 1e6 + Number(neuron[2]) * 2 + (neuron[3] ? 1 : 0);
  const right = text.match(/^(\d+)\/(\d+)$/); // of how many
  if (right) return right[1] / right[2];
  if (text === "–") return null;
  return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
};

const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));

export default function sort(table) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];

  function order(column, down) {
    headings.forEach((heading, at) => heading.setAttribute("aria-sort", at !== column ? "none" : down ? "descending" : "ascending"));
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    rows.sort(([a], [b]) => (a === null) - (b === null) || (down ? -1 : 1) * compare(a, b));
    body.append(...rows.map(([, row]) => row));
  }

  headings.forEach((heading, column) => {
    const button = make("button", { type: "button" }, heading.textContent);
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const numeric = heading.classList.contains("n");
      const was = heading.getAttribute("aria-sort");
      const down = was === "none" || !was ? numeric : was === "ascending";
      order(column, down);
      const url = new URL(location);
      url.searchParams.set("sort", button.textContent);
      down ? url.searchParams.set("down", "") : url.searchParams.delete("down");
      history.replaceState(null, "", url);
    });
  });
  const asked = new URL(location).searchParams;
  const column = headings.findIndex((heading) => heading.textContent === asked.get("sort"));
  if (column >= 0) order(column, asked.has("down"));
}
