// The index of the search: tokens, words of excerpts and lines by key, in sorted pieces that are loaded when needed.
import { load } from "./site.js";

export const [TOKEN, WORD, LINE] = [0, 1, 2];
const CUT = 24; // characters of the first keys that are listed
const ENOUGH = 2000; // entries, after which no further piece is loaded

const SEPARATE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}";
const PARTS = new RegExp(`[${SEPARATE}]|(?:(?![${SEPARATE}])[\\p{L}\\p{N}])+|\\p{So}`, "gu");

/** The words of a text, as scripts/n2g/site/term_index.py makes them of excerpts and lines. */
export const partsOf = (text) => (text.match(PARTS) ?? []).map((word) => word.toLowerCase());

/** The key of a token: lower case, without a space before it. */
export const keyOf = (text) => ((text.startsWith(" ") && text.length > 1 ? text.slice(1) : text).toLowerCase());

/** Numbers of the pieces that may hold the key, or keys that begin with it. */
async function piecesOf(key, prefix, most) {
  const firsts = await load("data/terms.json");
  const cut = key.slice(0, CUT);
  let piece = firsts.findIndex((first) => first > cut);
  piece = Math.max(0, (piece < 0 ? firsts.length : piece) - 1);
  while (piece > 0 && firsts[piece] === cut) piece -= 1;
  const found = [];
  for (; piece < firsts.length && found.length < most; piece += 1) {
    if (firsts[piece] > cut && !(prefix && firsts[piece].startsWith(cut))) break;
    found.push(piece);
  }
  return found;
}

/** All entries of a key, or of the keys that begin with it; `pieces`: how many may be loaded for that. */
export async function entriesOf(key, prefix = false, pieces = Infinity) {
  const found = [];
  for (const piece of await piecesOf(key, prefix, pieces)) {
    for (const entry of await load(`data/terms/${piece}.json.gz`)) {
      if (prefix ? entry[0].startsWith(key) : entry[0] === key) found.push(entry);
    }
    if (found.length > ENOUGH) break;
  }
  return found;
}

const common = (a, b) => {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
};

/** Keys like one that has no entries: those in its piece with the most letters in common with it, the frequent first;
 * `wanted`: only those of one kind of entries. */
export async function near(key, most, wanted = null) {
  const [piece] = await piecesOf(key, false, 1);
  if (piece === undefined || key.length < 2) return [];
  const found = new Map();
  for (const [other, kind, total] of await load(`data/terms/${piece}.json.gz`)) {
    const length = common(key, other);
    if (other !== key && (wanted === null || kind === wanted) && length >= Math.max(2, key.length - 2)) found.set(other, [length, (found.get(other)?.[1] ?? 0) + total]);
  }
  return [...found].sort(([a, [lengthA, totalA]], [b, [lengthB, totalB]]) => lengthB - lengthA || totalB - totalA || (a < b ? -1 : 1)).slice(0, most).map(([other]) => other);
}
