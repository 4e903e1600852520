"""Which neurons a configuration selects, in blocks, checked against the model where its size is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from n2g.errors import ConfigError, InputError
from n2g.ids import LARGEST, Block, NeuronId, parse_numbers, to_blocks
from n2g.workflow.config_mistakes import about_key


def check_selection(
    config: Mapping[str, Any], n_layers: int | Sequence[int] | None, n_neurons: int | None
) -> None:
    """Check the selected layers and neurons, and the single neuron, against a model's size.

    Args:
        config: needs only the keys ``layers``, ``neurons`` and ``neuron``.
        n_layers: the model's number of layers, or the layers that have latents; None where it is not known yet; then
            nothing is checked.
        n_neurons: hidden MLP neurons in a layer, or latents.

    Raises:
        ConfigError: a layer or neuron does not exist, or its number is too large.
    """
    if n_layers is None or n_neurons is None:
        return
    with about_key("layers"):
        _layers(config["layers"], n_layers)
    with about_key("neurons"):
        largest = parse_numbers(config["neurons"], n_neurons)[-1]
        if largest > LARGEST:
            raise InputError(f"{largest} is beyond what names of latents can say: choose from 0-{LARGEST}.")
    known = range(n_layers) if isinstance(n_layers, int) else sorted(n_layers)
    if config.get("neuron"):
        neuron = NeuronId.parse(config["neuron"])
        if neuron.layer not in known or neuron.neuron >= n_neurons:
            raise ConfigError(
                f"neuron: {neuron} does not exist in this model: choose from L{known[0]}.{neuron.letter}0 to "
                f"L{known[-1]}.{neuron.letter}{n_neurons - 1}."
            )


def _layers(text: str, known: int | Sequence[int] | None) -> list[int]:
    """The selected layers. Raises InputError where one is not among the known ones: so many, or those listed."""
    if known is None or isinstance(known, int):
        return parse_numbers(text, known)
    selected = sorted(known) if str(text).strip() == "all" else parse_numbers(text)
    if missing := sorted(set(selected) - set(known)):
        raise InputError(
            f"{missing[0]} has no latents: choose from {', '.join(map(str, sorted(known)))}, or all."
        )
    return selected


def selected_blocks(
    config: Mapping[str, Any], n_layers: int | Sequence[int] | None = None, n_neurons: int | None = None
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
    return [(layer, block) for layer in _layers(config["layers"], n_layers) for block in blocks]


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
