"""How good a graph is: metrics on held-out documents, next to baselines."""
