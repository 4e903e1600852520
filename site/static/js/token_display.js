// How tokens are shown: the same as in scripts/n2g/graphs/token_display.py, which also decides which characters are
// hidden or marks: HIDDEN, MARK, MARKER and NAMED are written from it above this when the site is built.

const STAND_FOR = new Map(Object.entries(NAMED).map(([character, name]) => [name, character]));

function written(character) {
  if (Object.hasOwn(NAMED, character)) return NAMED[character];
  return HIDDEN.test(character) ? `⟨U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩` : character;
}

/** [the text with what is not `kept` written out, whether a mark that follows has a letter to be drawn on]. */
function show(text, kept, based) {
  let words = "";
  for (const character of text) {
    words += (MARK.test(character) && !based ? "◌" : "") + (character === kept ? character : written(character));
    based = character !== " " && character !== MARKER && !HIDDEN.test(character);
  }
  return [words, based];
}

/** Running text: its spaces are kept, and every other character that cannot be seen is written out. */
export const plain = (text) => show(text, " ", true)[0];

/** One token's text with its spaces visible as well. */
export const visible = (text) => show(text, "", false)[0] || "∅";

/** The text of which a token is shown so: the opposite of `visible`; \n and \t may be typed too. */
export const typed = (shown) => shown
  .replaceAll(/\\([nt])/g, (_, letter) => ({ n: "\n", t: "\t" })[letter])
  .replaceAll(/⟨U\+([0-9A-F]{4,6})⟩/g, (whole, code) => (parseInt(code, 16) < 0x110000 ? String.fromCodePoint(parseInt(code, 16)) : whole))
  .replaceAll(/./gu, (character) => STAND_FOR.get(character) ?? character)
  .replaceAll(/◌(.)/gu, (both, next) => (MARK.test(next) ? next : both));

/** How many pieces [token, text] show as one text, and that: a character that tokens share, or the first piece. */
function character(pieces, first) {
  const bytes = [];
  for (let at = first; at < first + 4 && /^<0x..>$/.test(pieces[at]?.[1]); at += 1) bytes.push(parseInt(pieces[at][1].slice(3, 5), 16));
  const count = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
  if (bytes.length >= count && pieces[first][0] !== pieces[first + count - 1][0]) {
    try {
      return [count, new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes.slice(0, count)))];
    } catch { /* these bytes make no character */ }
  }
  return [1, pieces[first][1]];
}

/** Texts of consecutive tokens; a character whose bytes are in several stands at the last, MARKER at those before. */
export function wholeCharacters(texts) {
  if (!texts.some((text) => text.includes("<0x"))) return texts;
  const pieces = texts.flatMap((text, at) => (text.match(/<0x[0-9A-F]{2}>|[^]/gu) ?? []).map((piece) => [at, piece]));
  const whole = texts.map(() => "");
  for (let number = 0; number < pieces.length;) {
    const [count, text] = character(pieces, number);
    const parts = new Set(pieces.slice(number, number + count).map(([at]) => at));
    const last = pieces[number + count - 1][0];
    for (const at of parts) whole[at] += at === last ? text : MARKER;
    number += count;
  }
  return whole;
}

/** Consecutive tokens of a text as they are shown: like `plain`, with characters put together from their bytes. */
export function excerpt(texts) {
  let [words, based] = ["", false];
  return wholeCharacters(texts).map((text) => {
    [words, based] = show(text, " ", based);
    return words;
  });
}

/** "ltr" for what has bytes or characters written out, which are words that are not the text's own; else null. */
export const directionOf = (shown) => (shown.includes("⟨U+") || shown.includes("<0x") ? "ltr" : null);

/** At most so many characters of a text, the last of them … where some are left out. */
export function shortened(text, most) {
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
}
