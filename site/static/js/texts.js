// Texts with coloured tokens: background for the real activation, the bar below for the predicted one.
import { make, shown } from "./site.js";
import { directionOf, excerpt, shortened } from "./token_display.js";

const LONGEST = 80; // characters of a token

export const level = (value, scale) => (value > 0 && scale > 0 ? Math.min(9, Math.round((9 * value) / scale)) : 0);

/**
 * Tokens as elements, from `first` to before `last`.
 * text: { tokens, activations, predictions (either may be null) }; marked: positions to outline.
 */
export function tokens(text, vocabulary, scale, first = 0, last = text.tokens.length, marked = new Set()) {
  const words = excerpt(text.tokens.map((token) => vocabulary[token] ?? "�"));
  const elements = [];
  for (let at = first; at < last; at += 1) {
    const real = text.activations?.[at];
    const predicted = text.predictions?.[at];
    const classes = [level(real, scale) && `a${level(real, scale)}`, level(-real, scale) && `n${level(-real, scale)}`, level(predicted, scale) && `p${level(predicted, scale)}`, marked.has(at) && "marked", at === text.pivot && "pivot"];
    const said = [real !== undefined && `activation ${shown(real)}`, predicted !== undefined && `predicted ${shown(predicted)}`].filter(Boolean);
    elements.push(make("b", {
      class: classes.filter(Boolean).join(" ") || null,
      dir: directionOf(words[at]),
      title: `${said.join(", ")} · token ${text.tokens[at]}`,
    }, shortened(words[at], LONGEST)));
  }
  return elements;
}

/** The part of an example within `around` tokens of its pivot. */
export const windowOf = (example, around) => [Math.max(0, example.pivot - around), Math.min(example.tokens.length, example.pivot + around + 1)];
