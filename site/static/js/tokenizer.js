// Text to token ids in the browser, by the model's own tokenizer, and ids to the text that pages show.
import { load, root } from "./site.js";

let ready = null; // from the first text that is typed

async function make() {
  const [{ Tokenizer }, about] = await Promise.all([import("../vendor/tokenizers.js"), load("data/tokenizer.json")]);
  const pieces = await Promise.all(Array.from({ length: about.pieces }, (_, at) => fetch(new URL(`data/tokenizer/${at}.bin`, root)).then((answer) => answer.blob())));
  const stream = new Blob(pieces).stream().pipeThrough(new DecompressionStream("gzip"));
  return { about, tokenizer: new Tokenizer(await new Response(stream).json(), {}) };
}

/** Token ids of a text, as the corpus holds them: the id that begins every text comes first. */
export async function encode(text) {
  ready ??= make();
  const { about, tokenizer } = await ready;
  const ids = text === "" ? [] : tokenizer.encode(text, { add_special_tokens: false }).ids;
  return about.bos === null ? ids : [about.bos, ...ids];
}

/** { id: display text } of token ids. */
export async function wordsOf(ids) {
  const { words } = await load("data/tokenizer.json");
  const distinct = [...new Set(ids)];
  const found = await Promise.all(distinct.map(async (id) => [id, (await load(`data/vocabulary/${Math.floor(id / words)}.json`))[id % words]]));
  return Object.fromEntries(found);
}
