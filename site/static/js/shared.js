// What two neurons have in common, from their records: tokens, patterns of the graphs, and examples.
import { ordered, pathTo, prepare } from "./predict.js";

/** Token ids of the activating nodes, and of the context; the background's, which have no text here, are left out. */
export function tokensOf(record) {
  const nodes = (record.graph?.nodes ?? []).filter((node) => node.tokens?.every((token) => token in record.vocabulary));
  const of = (active) => new Set(nodes.filter((node) => (node.parent === 0) === active).flatMap((node) => node.tokens));
  return { activating: of(true), context: of(false) };
}

/** What two sets of tokens share: the tokens, and the Jaccard index. */
export function overlap(a, b) {
  const both = [...a].filter((token) => b.has(token));
  const union = a.size + b.size - both.length;
  return { both, share: union ? both.length / union : 0 };
}

/** The patterns with which a graph fires: [share of the scale, nodes in the order of the text]. */
function patternsOf(record) {
  if (!record.graph) return [];
  const prepared = prepare(record.graph);
  return record.graph.nodes.filter(({ end }) => end && end.activation >= record.graph.decision_threshold)
    .map(({ id, end }) => [end.activation / record.graph.scale, pathTo(prepared, id).reverse().map((one) => prepared.nodes.get(one))]);
}

/** What an element of each of two patterns lets through; null where that is nothing. */
function common(a, b) {
  if (a.tokens && b.tokens) {
    const tokens = ordered(a).filter((token) => b.factor.has(token));
    return tokens.length ? { tokens } : null;
  }
  if (a.kind !== b.kind) return null;
  return a.kind === "gap" ? { kind: "gap", max: Math.min(a.max, b.max) } : { kind: a.kind };
}

/** Pairs of patterns, one of each graph, that agree element by element: { strengths, elements }, the strongest first. */
export function sharedPatterns(a, b) {
  const found = [];
  for (const [strengthA, nodesA] of patternsOf(a)) {
    for (const [strengthB, nodesB] of patternsOf(b)) {
      if (nodesA.length !== nodesB.length) continue;
      const elements = nodesA.map((node, at) => common(node, nodesB[at]));
      if (elements.every(Boolean)) found.push({ strengths: [strengthA, strengthB], elements });
    }
  }
  return found.sort((one, two) => Math.min(...two.strengths) - Math.min(...one.strengths));
}

/** The activation from which a neuron counts as firing. */
const firing = (record, share) => (record.provenance.settings?.firing_threshold ?? share) * record.statistics.maximum;

/**
 * Texts of which both records have the same part and in which both neurons fire: { examples (one of each record), first
 * and last position of what they share, at (where both are strongest), together (whether both fire there) }.
 */
export function sharedExamples(a, b, share) {
  const [leastA, leastB] = [firing(a, share), firing(b, share)];
  const found = new Map();
  for (const one of a.examples) {
    for (const other of b.examples) {
      if (one.document !== other.document) continue;
      const first = Math.max(one.start, other.start);
      const last = Math.min(one.start + one.tokens.length, other.start + other.tokens.length);
      const positions = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
      const strength = (position) => [one.activations[position - one.start] / leastA, other.activations[position - other.start] / leastB];
      const strengths = positions.map(strength);
      if (![0, 1].every((side) => strengths.some((pair) => pair[side] >= 1))) continue;
      const smaller = strengths.map((pair) => Math.min(...pair));
      const value = Math.max(...smaller);
      const known = found.get(one.document);
      if (!known || value > known.value) found.set(one.document, { examples: [one, other], first, last, value, at: positions[smaller.indexOf(value)], together: value >= 1 });
    }
  }
  return [...found.values()].sort((one, two) => two.value - one.value || one.examples[0].document - two.examples[0].document);
}
