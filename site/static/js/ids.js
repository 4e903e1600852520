// Ids of neurons: from what people type, and near ones where there is no such neuron.

import { letter } from "./site.js";

const letterOf = (typed) => (typed || letter).toUpperCase();

/** "L3.N42" from what people type: l3n42, 3.42, L3 N42, 3/42-, or l3f42 for a latent; null for other words. */
export function parseId(text) {
  const match = text.trim().match(/^l?(\d{1,5})[\s./,:]*([nf]?)(\d{1,5})(-?)$/i);
  const separated = match && /[\s./,:nf]/i.test(text.trim().replace(/^l/i, ""));
  return separated ? `L${Number(match[1])}.${letterOf(match[2])}${Number(match[3])}${match[4]}` : null;
}

/** The layer of "L3" or "layer 3"; null for other words. */
export function parseLayer(text) {
  const match = text.trim().match(/^l(?:ayer)?\s*(\d{1,5})$/i);
  return match ? Number(match[1]) : null;
}

export const partsOfId = (id) => id.match(/\d+/g).map(Number);

/** Ids that begin as what is typed, such as L3.N1 and L3.N10 for l3n1; the shorter ones first. */
export function begun(text, ids, most) {
  const match = text.trim().match(/^l(\d{1,5})[\s./,:]*([nf]?)(\d{0,5})$/i);
  if (!match) return [];
  const start = `L${Number(match[1])}.${letterOf(match[2])}${match[3]}`;
  return ids.filter((id) => id.startsWith(start)).sort((a, b) => a.length - b.length).slice(0, most);
}

/** Ids of the atlas that are nearest to one that it lacks: the same number in other layers, then neighbours. */
export function nearest(id, ids, most) {
  const [layer, neuron] = partsOfId(id);
  const far = (one) => {
    const [otherLayer, other] = partsOfId(one);
    return (other === neuron ? 0 : 1e6 + Math.abs(other - neuron)) + 1e3 * Math.abs(otherLayer - layer);
  };
  return ids.map((one) => [far(one), one]).sort((a, b) => a[0] - b[0]).slice(0, most).map(([, one]) => one);
}
