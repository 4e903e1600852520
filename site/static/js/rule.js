// Rules: lines such as `Black|Red … Sea`, read as in scripts/n2g/graphs/rule_grammar.py, which says what they mean.
import { predict, prepare } from "./predict.js";

const FAR = 31; // tokens that a gap without a number skips at most
const LETTERS = String.raw`[^ \t\n\r|;…∗*^"#\-]+`;
const PART = new RegExp([
  String.raw`(?<blank>[ \t\n\r]+)`, String.raw`(?<gap>(?:…|\.\.\.)(?<longest>[0-9]{0,4}))`, "(?<wildcard>[∗*])", String.raw`(?<start>\^)`,
  String.raw`(?<or>\|)`, "(?<end>;)", "#(?<id>[0-9]{1,9})", String.raw`"(?<quoted>(?:[^"\\]|\\[^])*)"`, `(?<word>-?${LETTERS}(?:-${LETTERS})*)`,
].join("|"), "uy");
const ESCAPES = { n: "\n", t: "\t", r: "\r", '"': '"', "\\": "\\" };

function wrong(line, at, problem) {
  const shown = [...line.slice(at)][0] ?? "it";
  return new Error(`Wrong at character ${[...line.slice(0, at)].length + 1}: ${shown} ${problem}.`);
}

function unquoted(text, line, at) {
  return text.replaceAll(/\\(?:u\{([0-9A-Fa-f]{1,6})\}|([^]))/gu, (_, code, letter) => {
    const number = parseInt(code, 16);
    if (code && number < 0x110000 && !(number >= 0xd800 && number < 0xe000)) return String.fromCodePoint(number);
    if (Object.hasOwn(ESCAPES, letter ?? "")) return ESCAPES[letter];
    throw wrong(line, at, "has a \\ that makes no character");
  });
}

/** The tokens of a word: texts, or one id. */
function word(found, line, at) {
  if (found.id) return [Number(found.id)];
  if (found.quoted !== undefined) return [unquoted(found.quoted, line, at)];
  const [first, ...rest] = found.word.replace(/^-/, "").split("-");
  return [found.word.startsWith("-") ? first : ` ${first}`, ...rest];
}

/** The patterns of a line, each in the order of the text: lists of { words } or { kind, max }. */
export function parse(line) {
  const patterns = [[]];
  let joins = false; // a "|" was read, and its second word is awaited
  for (let at = 0; at < line.length; at = PART.lastIndex) {
    PART.lastIndex = at;
    const found = PART.exec(line)?.groups;
    if (!found) throw wrong(line, at, "is not understood here");
    const pattern = patterns.at(-1);
    const here = PART.lastIndex;
    const named = found.id ?? found.quoted ?? found.word;
    if (joins && named === undefined && found.blank === undefined) throw wrong(line, at, "follows a | that needs a word after it");
    if (found.end) patterns.push([]);
    else if (found.or) {
      if (!pattern.at(-1)?.words) throw wrong(line, at, "needs a word before it");
      joins = true;
    } else if (named !== undefined) {
      if (joins) pattern.at(-1).words.push(word(found, line, at));
      else pattern.push({ words: [word(found, line, at)] });
      joins = false;
    } else if (found.gap !== undefined) pattern.push({ kind: "gap", max: Number(found.longest || FAR) });
    else if (found.wildcard) pattern.push({ kind: "wildcard" });
    else if (found.start) {
      if (pattern.length > 0) throw wrong(line, at, "stands for the start of a text, so nothing can stand before it");
      pattern.push({ kind: "start" });
    }
    PART.lastIndex = here;
  }
  if (joins) throw wrong(line, line.length, "ends with a | that needs a word after it");
  const whole = patterns.filter((pattern) => pattern.length > 0);
  if (whole.some((pattern) => ["gap", "start"].includes(pattern.at(-1).kind))) throw new Error("A pattern has no token at its end: name the one that fires.");
  return whole;
}

/** The ways to match a step, each as what stands in its place: lists of tokens that may stand there, or of { kind }. */
function choices(step) {
  if (!step.words) return [[step]];
  if (step.words.every((one) => one.length === 1)) return [[step.words.map(([token]) => token)]];
  return step.words.map((tokens) => tokens.map((token) => [token]));
}

/**
 * Whether the rule of a line matches at each token of a text. words: { id: text } of these tokens; bos: the id that
 * begins every text, or null.
 */
export function matches(line, tokens, words, bos) {
  const nodes = [{ id: 0, parent: null }];
  const ids = [...new Set(tokens)];
  for (const pattern of parse(line)) {
    const ways = pattern.map(choices).reduce((some, more) => some.flatMap((before) => more.map((after) => [...before, ...after])), [[]]);
    for (const way of ways) {
      way.toReversed().forEach((step, at) => {
        const known = Array.isArray(step) ? ids.filter((id) => step.includes(id) || step.includes(words[id])) : null;
        nodes.push({ id: nodes.length, parent: at ? nodes.length - 1 : 0, ...(known ? { kind: "class", tokens: known, weights: known.map(() => 1) } : step) });
      });
      nodes.at(-1).end = { activation: 1 };
    }
  }
  return predict(prepare({ nodes, bos }), tokens).predicted.map((value) => value > 0);
}
