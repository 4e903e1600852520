"""How good a graph is: metrics on held-out documents, beside baselines."""
