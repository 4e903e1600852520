// What the words in the search box may become: neurons, terms of the index, titles.
import { begun, parseId } from "./ids.js";
import { allIds } from "./site.js";
import { LINE, TOKEN, WORD, entriesOf, keyOf } from "./terms.js";
import { plain, shortened, typed, visible } from "./token_display.js";

const [IDS, TERMS, TITLES] = [4, 6, 3]; // suggestions of each kind

/** [what is asked, what is shown, a remark] of what the words that are typed may become. */
export async function suggest(words) {
  const ids = await allIds();
  const exact = parseId(words);
  const found = [...new Set([...(exact && ids.includes(exact) ? [exact] : []), ...begun(words, ids, IDS)])].slice(0, IDS).map((id) => [id, id, "neuron"]);
  const question = typed(words);
  if (!question.trim() && question !== "\n") return found;
  const terms = new Map();
  const titles = new Map();
  for (const [key, kind, total, group, lines] of await entriesOf(keyOf(question), true, 2)) {
    if (kind === LINE) for (const [text, count] of lines) if (group === "title") titles.set(text, count);
    if (kind === LINE) continue;
    const term = terms.get(key) ?? { [TOKEN]: 0, [WORD]: 0 };
    term[kind] += total;
    terms.set(key, term);
  }
  const whole = (key) => key === keyOf(question);
  const weight = ({ [TOKEN]: tokens, [WORD]: excerpts }) => 2 * tokens + excerpts;
  const best = [...terms].sort(([a, one], [b, two]) => whole(b) - whole(a) || weight(two) - weight(one) || (a < b ? -1 : 1)).slice(0, TERMS);
  const most = [...titles].sort(([a, one], [b, two]) => two - one || (a < b ? -1 : 1)).slice(0, TITLES);
  return [
    ...found,
    ...best.map(([key, { [TOKEN]: tokens, [WORD]: excerpts }]) => [visible(key), shortened(visible(key), 60), [tokens && "token", excerpts && "word in excerpts"].filter(Boolean).join(", ")]),
    ...most.map(([title]) => [title, shortened(plain(title), 60), "title"]),
  ];
}
