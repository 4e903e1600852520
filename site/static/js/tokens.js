// Tokens of the graphs: found in the index of the search, and ranked as hits.
import { TOKEN, entriesOf, keyOf } from "./terms.js";

const PIECES = 3; // that are read for a beginning
export const ROLES = ["activating", "context", "promoted by weights", "strongest", "promoted when it fires", "suppressed when it fires"];

/** Entries [key, text, token, postings, how many postings there were] of the tokens that match the question. */
export async function find(question, match, space) {
  const entries = (await entriesOf(keyOf(question), match === "prefix", match === "prefix" ? PIECES : Infinity)).filter(([, kind]) => kind === TOKEN);
  return entries
    .map(([key, , total, text, token, postings]) => [key, text, token, postings, total])
    .filter(([, text]) => match !== "exact" || text === question || text === ` ${question}`)
    .filter(([, text]) => !space || text.startsWith(" ") === (space === "with"));
}

/** Postings of the entries as hits { row, roles, strength, f1, tokens: [id, text] }, best first, one for each neuron. */
export function rank(entries, role) {
  const hits = new Map();
  for (const [, text, token, postings] of entries) {
    for (let at = 0; at < postings.length; at += 4) {
      const [kind, row, strength, f1] = postings.slice(at, at + 4);
      if (role !== "" && Number(role) !== kind) continue;
      const hit = hits.get(row) ?? { row, roles: new Set(), strength: 0, f1, tokens: new Map() };
      hit.strength = Math.max(hit.strength, strength);
      hit.roles.add(kind);
      hit.tokens.set(token, text);
      hits.set(row, hit);
    }
  }
  return [...hits.values()].sort((a, b) => b.strength * (b.f1 + 1) - a.strength * (a.f1 + 1) || a.row - b.row);
}

/** Whether some postings were too many to be kept. */
export const cut = (entries) => entries.some(([, , , postings, total]) => 4 * total > postings.length);
