"""The neuron graph as an object: patterns, matching, prediction, words and drawing."""
