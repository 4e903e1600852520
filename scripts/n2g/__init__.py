"""Neurons of language models as small graphs: the library behind the workflow.

Names are loaded on first use, so that ``import n2g.workflow.config`` in a Snakefile stays cheap.
"""

from __future__ import annotations

from importlib import import_module

# exported name -> the module of this package that defines it
_EXPORTS = {
    "ConfigError": "errors",
    "InputError": "errors",
    "NeuronGraph": "graphs.trie",
    "NeuronId": "ids",
    "Settings": "settings",
    "fit_neuron": "method.fit_neuron",
    "load_atlas": "queries.atlas",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)
