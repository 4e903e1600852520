"""The atlas in the formats of other tools: pure functions of a neuron (n2g.export.neuron), and one module that writes
(n2g.export.package). Every format is a projection of the record; what a format has no place for is left out."""
