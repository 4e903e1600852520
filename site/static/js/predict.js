// The graph as a predictor: the same numbers as NeuronGraph.predict in Python, token by token.
//
// A node reads the text backwards from the pivot. For one pivot a partial match is {tokens consumed -> product of
// weights}; of several ways to the same place the one with the largest product is kept.

const CONSTRAINING = new Set(["token", "class", "start"]);

/** A graph ready to predict: children by node, weights by token. */
export function prepare(graph) {
  const nodes = new Map(graph.nodes.map((node) => [node.id, { ...node, children: [] }]));
  for (const node of nodes.values()) {
    if (node.tokens) node.factor = new Map(node.tokens.map((token, at) => [token, node.weights[at]]));
    if (node.parent !== null) nodes.get(node.parent).children.push(node);
  }
  for (const node of nodes.values()) node.children.sort((a, b) => a.id - b.id);
  return { ...graph, nodes, root: nodes.get(0) };
}

/** The tokens of a node in the order in which pages name them: those that the neuron fires on most often first. */
export function ordered({ tokens, weights, counts }) {
  const known = new Map(counts);
  const [count, weight] = [(token) => known.get(token) ?? 0, new Map(tokens.map((token, at) => [token, weights[at]]))];
  return [...tokens].sort((a, b) => count(b) - count(a) || weight.get(b) - weight.get(a) || a - b);
}

function put(frontier, consumed, weight) {
  if (!(frontier.get(consumed) >= weight)) frontier.set(consumed, weight);
}

/** The partial matches at `pivot` that `node` lets through. `begins` is the first position that counts as text. */
export function step(node, frontier, tokens, pivot, begins, anchored) {
  const after = new Map();
  for (const [consumed, weight] of frontier) {
    const left = pivot - consumed;
    if (node.kind === "start") {
      if (anchored && left === begins - 1) put(after, consumed, weight);
    } else if (node.kind === "gap") {
      for (let skipped = 0; skipped <= node.max && left - skipped >= begins - 1; skipped += 1) put(after, consumed + skipped, weight);
    } else if (left >= begins) {
      if (node.kind === "wildcard") put(after, consumed + 1, weight);
      else if (node.factor.has(tokens[left])) put(after, consumed + 1, weight * node.factor.get(tokens[left]));
    }
  }
  return after;
}

/**
 * Predicted activation and deciding node (0: none) at every position. Of several patterns that match, the one with
 * most constraining elements decides, then the longest, then the one with the larger activation.
 * `anchored` is false for an excerpt that does not begin where its text begins.
 */
export function predict(prepared, tokens, anchored = true) {
  const begins = prepared.bos !== null && prepared.bos !== undefined && tokens[0] === prepared.bos ? 1 : 0;
  const predicted = new Array(tokens.length).fill(0);
  const decided = new Array(tokens.length).fill(0);
  for (let pivot = begins; pivot < tokens.length; pivot += 1) {
    let best = [0, 0];
    const walk = (parent, frontier, constraints, elements) => {
      for (const node of parent.children) {
        const reached = step(node, frontier, tokens, pivot, begins, anchored);
        if (reached.size === 0) continue;
        const rank = [constraints + (CONSTRAINING.has(node.kind) ? 1 : 0), elements + 1];
        if (node.end) {
          const value = Math.max(...reached.values()) * node.end.activation;
          const higher = rank[0] - best[0] || rank[1] - best[1];
          if (higher > 0 || (higher === 0 && value > predicted[pivot])) {
            [predicted[pivot], decided[pivot], best] = [value, node.id, rank];
          }
        }
        walk(node, reached, ...rank);
      }
    };
    walk(prepared.root, new Map([[0, 1]]), 0, 0);
  }
  return { predicted, decided };
}

/** Ids of the nodes from below the root to `id`. */
export function pathTo(prepared, id) {
  const path = [];
  for (let node = prepared.nodes.get(id); node && node.parent !== null; node = prepared.nodes.get(node.parent)) path.unshift(node.id);
  return path;
}

/** Where the pattern that ends at node `id` matched at `pivot`: [node id, position] for each token that it read. */
export function trace(prepared, tokens, pivot, id, anchored = true) {
  const begins = prepared.bos !== null && prepared.bos !== undefined && tokens[0] === prepared.bos ? 1 : 0;
  const path = pathTo(prepared, id).map((one) => prepared.nodes.get(one));
  let best = { weight: -1, read: [] };
  const follow = (at, consumed, weight, read) => {
    if (at === path.length) {
      if (weight > best.weight) best = { weight, read };
      return;
    }
    for (const [next, product] of step(path[at], new Map([[consumed, weight]]), tokens, pivot, begins, anchored)) {
      const taken = path[at].kind === "gap" ? [] : Array.from({ length: next - consumed }, (_, k) => [path[at].id, pivot - consumed - k]);
      follow(at + 1, next, product, [...read, ...taken]);
    }
  };
  follow(0, 0, 1, []);
  return best.read;
}
