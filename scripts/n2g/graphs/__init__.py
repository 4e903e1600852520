"""The neuron graph as an object: patterns, matching, prediction, sentence and drawing."""
