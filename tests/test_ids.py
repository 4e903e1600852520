"""Names of neurons, selections and blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2g.errors import InputError
from n2g.ids import Block, NeuronId, parse_numbers, to_blocks

numbers = st.integers(0, 99_999)


@given(st.builds(NeuronId, numbers, numbers, st.booleans()))
def test_neuron_names_round_trip(neuron: NeuronId) -> None:
    assert NeuronId.parse(str(neuron)) == neuron
    assert list(neuron.block.neurons) == [neuron.neuron]


@pytest.mark.parametrize(
    "text", ["", "3.42", "L3N42", "L03.N42", "L3.N-1", "L3.N42+", "l3.n42", "L3.N42 ", "L3.N٣"]
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"L3\.N42"):
        NeuronId.parse(text)


@given(numbers, numbers)
def test_blocks_round_trip(first: int, last: int) -> None:
    block = Block(min(first, last), max(first, last))
    assert Block.parse(str(block)) == block


@pytest.mark.parametrize("text", ["0-31", "00031-00000", "00000_00031", "00000-00031x", "٠0000-00031"])
def test_other_blocks_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="00000-00255"):
        Block.parse(text)


@given(st.sets(st.integers(0, 600), min_size=1), st.integers(1, 300))
def test_blocks_cover_the_selection_exactly(selection: set[int], size: int) -> None:
    blocks = to_blocks(selection, size)
    assert [neuron for block in blocks for neuron in block.neurons] == sorted(selection)
    assert all(len(block.neurons) <= size for block in blocks)
    assert all(block.first // size == block.last // size for block in blocks)


@given(st.sets(st.integers(0, 300), min_size=1))
def test_selections_read_what_they_say(selection: set[int]) -> None:
    assert parse_numbers(",".join(map(str, selection))) == sorted(selection)
    assert parse_numbers(
        ", ".join(str(block).replace("-", " - ") for block in to_blocks(selection, 50))
    ) == sorted(selection)


def test_selections() -> None:
    assert parse_numbers("0-3,100") == [0, 1, 2, 3, 100]
    assert parse_numbers("2,0-2,1") == [0, 1, 2]
    assert parse_numbers(7) == [7]
    assert parse_numbers("all", 3) == [0, 1, 2]
    assert [str(b) for b in to_blocks(parse_numbers("0-31,100"), 256)] == ["00000-00031", "00100-00100"]


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "1..3", "3-1", "1,,2", "1.5", "all,1", "010", "10:20", "1_0", "٣"]
)
def test_malformed_selections_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_numbers(text, 10)


def test_selections_out_of_range_name_the_range() -> None:
    with pytest.raises(InputError, match="30 is out of range: choose from 0-29"):
        parse_numbers("0-5,30", 30)
    with pytest.raises(InputError, match="once the model has been fetched"):
        parse_numbers("all")
