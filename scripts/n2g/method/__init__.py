"""N2G itself, one module a stage: activations, sweep, prune, saliency, augment, graph."""
