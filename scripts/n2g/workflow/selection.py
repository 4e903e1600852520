"""Which neurons a configuration selects, in blocks, checked against the model where its size is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from n2g.errors import ConfigError
from n2g.ids import Block, NeuronId, parse_numbers, to_blocks
from n2g.workflow.config_mistakes import about_key


def check_selection(config: Mapping[str, Any], n_layers: int | None, n_neurons: int | None) -> None:
    """Check the selected layers and neurons, and the single neuron, against a model's size.

    Args:
        config: needs only the keys ``layers``, ``neurons`` and ``neuron``.
        n_layers: the model's number of layers, or None where it is not known yet; then nothing is checked.
        n_neurons: hidden MLP neurons in a layer.

    Raises:
        ConfigError: a layer or neuron does not exist.
    """
    if n_layers is None or n_neurons is None:
        return
    for key, count in (("layers", n_layers), ("neurons", n_neurons)):
        with about_key(key):
            parse_numbers(config[key], count)
    if config.get("neuron"):
        neuron = NeuronId.parse(config["neuron"])
        if neuron.layer >= n_layers or neuron.neuron >= n_neurons:
            raise ConfigError(
                f"neuron: {neuron} does not exist in this model: choose from L0.N0 to "
                f"L{n_layers - 1}.N{n_neurons - 1}."
            )


def selected_blocks(
    config: Mapping[str, Any], n_layers: int | None = None, n_neurons: int | None = None
) -> list[tuple[int, Block]]:
    """The selected blocks of neurons, each with its layer; none while `all` is selected of an unknown number.

    Args:
        config: needs only the keys ``layers``, ``neurons``, ``block_size`` and ``neuron``.
        n_layers, n_neurons: the model's size, where it is known.

    Raises:
        ConfigError: a layer or neuron does not exist.
    """
    check_selection(config, n_layers, n_neurons)
    if (config["layers"] == "all" and n_layers is None) or (config["neurons"] == "all" and n_neurons is None):
        return []
    blocks = to_blocks(parse_numbers(config["neurons"], n_neurons), config["block_size"])
    return [(layer, block) for layer in parse_numbers(config["layers"], n_layers) for block in blocks]


def require_blocks(blocks: Sequence[tuple[int, Block]]) -> None:
    """Raise ConfigError where no block is known to be selected, since the model is not there yet."""
    if not blocks:
        raise ConfigError(
            "layers: 'all' can only be resolved once the model is there: run `snakemake model` first."
        )


def named_neuron(config: Mapping[str, Any]) -> NeuronId:
    """The single neuron that a configuration names. Raises ConfigError where it names none."""
    if config["neuron"] is None:
        raise ConfigError("neuron: is not set: name one, as in --config neuron=L3.N42.")
    return NeuronId.parse(config["neuron"])
