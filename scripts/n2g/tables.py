"""What every file of numbers holds, and how it is written and read.

Each Parquet table has a contract: its columns, their types and what they mean. Writing and reading both check
it. Every file is written under a temporary name and renamed, so that a file that exists is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from n2g.errors import InputError
from n2g.replacing import replacing


@dataclass(frozen=True)
class TableContract:
    """The columns of a table.

    Attributes:
        name: the file's name without its suffix; the same word as in :data:`CONTRACTS`.
        meaning: what a row is.
        columns: column name -> (pyarrow type, meaning with its unit), in the order of the file.
    """

    name: str
    meaning: str
    columns: Mapping[str, tuple[pa.DataType, str]]

    @property
    def schema(self) -> pa.Schema:
        """The pyarrow schema; no column may hold nulls."""
        return pa.schema([pa.field(name, kind, nullable=False) for name, (kind, _) in self.columns.items()])


def _contract(name: str, meaning: str, **columns: tuple[pa.DataType, str]) -> TableContract:
    return TableContract(name, meaning, MappingProxyType(columns))


_ALL = [
    _contract(
        "documents",
        "A sequence of tokens: a text, or a piece of one that is longer than the maximum length.",
        document=(pa.int32(), "number of the sequence, its row in this table"),
        text=(pa.int32(), "number of the text in the source, from 0"),
        piece=(pa.int32(), "number of the piece within the text, from 0"),
        title=(pa.string(), "the text's title, for attribution"),
        split=(pa.string(), "train, validation or test; the same for all pieces of a text"),
        offset=(pa.int64(), "where the sequence begins in tokens.npy"),
        length=(pa.int32(), "tokens of the sequence, the begin-of-sequence token included"),
        sha256=(pa.string(), "SHA-256 of the whole text in UTF-8, hexadecimal"),
    ),
    _contract(
        "vocabulary",
        "A token of the model's vocabulary.",
        token=(pa.int32(), "token id, the row in this table"),
        text=(
            pa.string(),
            "the token for display; bytes that are no character of their own appear as <0xE2>",
        ),
        special=(pa.bool_(), "whether the token is a control token that no text contains"),
    ),
    _contract(
        "statistics",
        "A neuron (one pole of it) over the whole corpus; begin-of-sequence tokens left out.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative; all activations below have the pole's sign"),
        tokens=(pa.int64(), "tokens seen"),
        nonfinite=(
            pa.int64(),
            "tokens with NaN or infinity; with any the neuron has failed and all else is 0",
        ),
        maximum=(pa.float64(), "largest activation on train documents (at least 0)"),
        mean=(pa.float64(), "mean activation"),
        std=(pa.float64(), "standard deviation"),
        skewness=(pa.float64(), "third standardised moment"),
        kurtosis=(pa.float64(), "fourth standardised moment (3 for a normal distribution)"),
        density=(pa.float64(), "share of tokens with an activation above 0.001"),
        firing=(pa.int64(), "tokens of all splits at half of the maximum or more"),
        floor=(pa.float64(), "every activation of at least this is in the firings table"),
        histogram=(pa.list_(pa.int64()), "tokens between the edges n2g.edges.EDGES"),
    ),
    _contract(
        "firings",
        "A token at which a neuron is at or above its floor.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        position=(pa.int64(), "index into tokens.npy"),
        activation=(pa.float32(), "activation, with the pole's sign"),
    ),
    _contract(
        "background",
        "A token that says much of a neuron's activation by itself, though it may never make it fire.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        token=(pa.int32(), "token id"),
        count=(pa.int64(), "occurrences in train documents"),
        mean=(pa.float64(), "mean activation there, one occurrence at 0 added"),
    ),
    _contract(
        "examples",
        "One of the documents of a split with the largest activations of a neuron.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        split=(pa.string(), "train, validation or test"),
        rank=(pa.int32(), "0 for the document with the largest activation of the split"),
        document=(pa.int32(), "row of the documents table"),
        pivot=(pa.int32(), "position of the largest activation in the document (0 is BOS)"),
        activation=(pa.float32(), "activation at the pivot"),
        activations=(pa.list_(pa.float32()), "activations of all tokens of the document, BOS included"),
    ),
    _contract(
        "evaluate",
        "Scores of one predictor of a neuron on one test set; begin-of-sequence tokens left out.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        set=(pa.string(), "top, quantile or random"),
        predictor=(
            pa.string(),
            "graph, paper, or a baseline of n2g.baselines",
        ),
        documents=(pa.int32(), "test documents in the set"),
        tokens=(pa.int64(), "tokens in the set"),
        firing=(pa.int64(), "tokens at which the neuron fires; with none, the row counts in no average"),
        true_positives=(pa.int64(), "firing tokens that are predicted to fire"),
        false_positives=(pa.int64(), "other tokens that are predicted to fire"),
        false_negatives=(pa.int64(), "firing tokens that are not predicted to fire"),
        precision=(pa.float64(), "share of the tokens predicted to fire that fire; 0 where none is"),
        recall=(pa.float64(), "share of the firing tokens that are predicted to fire"),
        f1=(pa.float64(), "harmonic mean of precision and recall"),
        nonfiring_precision=(pa.float64(), "precision of the tokens that do not fire"),
        nonfiring_recall=(pa.float64(), "recall of the tokens that do not fire"),
        nonfiring_f1=(pa.float64(), "F1 of the tokens that do not fire"),
        average_precision=(pa.float64(), "precision averaged over recall, tokens ranked by prediction"),
        correlation=(pa.float64(), "Pearson correlation of activation and prediction"),
        r2=(pa.float64(), "1 - squared error / squared deviation of the activation from its mean"),
        ev_correlation=(pa.float64(), "ev_correlation_score of Bills et al.: equal to correlation"),
        rsquared=(pa.float64(), "rsquared_score of Bills et al.: 1 - mean squared error / mean square"),
        absolute_dev_explained=(
            pa.float64(),
            "absolute_dev_explained_score of Bills et al.: 1 - mean |error| / mean |activation|",
        ),
    ),
    _contract(
        "predictions",
        "A test document, or a piece of one around an error, with what the neuron's graph predicts.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        set=(pa.string(), "top, quantile, random, false-positive or false-negative"),
        rank=(pa.int32(), "0 for the first of the set: the largest activation, or the worst error"),
        document=(pa.int32(), "row of the documents table"),
        start=(pa.int32(), "position in the document of the first token below (0 is BOS)"),
        pivot=(pa.int32(), "position in the document of the largest activation, or of the error"),
        activations=(pa.list_(pa.float32()), "activations of the tokens from start on"),
        predictions=(pa.list_(pa.float32()), "predicted activations of the same tokens"),
        nodes=(pa.list_(pa.int32()), "node of the graph that decides each prediction; 0 where none does"),
    ),
    _contract(
        "sweep",
        "A token that brings a neuron to its floor after neutral text, without any context.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        token=(pa.int32(), "token id"),
        activation=(pa.float32(), "median activation over the neutral prefixes"),
    ),
    _contract(
        "prune",
        "A firing token, and the shortest text before it that keeps the activation.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        example=(pa.int32(), "number of the example of this neuron and method, from 0"),
        split=(pa.string(), "train or validation"),
        position=(pa.int64(), "of the pivot in tokens.npy"),
        activation=(pa.float32(), "activation at the pivot in the whole document"),
        tokens=(pa.list_(pa.int32()), "what is left, the pivot token last; empty where pruning failed"),
        kept=(pa.float32(), "median activation of what is left"),
        start=(pa.bool_(), "the document begins here, and only there the activation is kept"),
        failed=(pa.bool_(), "no text kept the activation"),
    ),
    _contract(
        "saliency",
        "A pruned example with what is known of each of its tokens, in the order of the text.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        example=(pa.int32(), "number of the example of this neuron and method, from 0"),
        tokens=(pa.list_(pa.int32()), "token ids, the pivot token last"),
        importances=(pa.list_(pa.float32()), "1 - activation with the token masked / activation, in 0 to 1"),
        needed=(pa.list_(pa.bool_()), "whether a pattern must name the token"),
        gaps=(
            pa.list_(pa.int32()),
            "tokens that may stand between a needed token and the next (0: fixed distance)",
        ),
        activation=(pa.float32(), "median activation with all that is not needed masked at once"),
        start=(pa.bool_(), "the document begins here, and only there the activation is kept"),
    ),
    _contract(
        "augment",
        "A token tried in the place of one that matters.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        example=(pa.int32(), "number of the example of this neuron and method, from 0"),
        place=(pa.int32(), "index into the example's tokens"),
        token=(pa.int32(), "token id that was tried"),
        activation=(pa.float32(), "median activation with it"),
        kept=(pa.bool_(), "whether it serves there"),
    ),
    _contract(
        "logits",
        "A token that a neuron's weights push or read (n2g.logits says how).",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative; values have the pole's sign"),
        direction=(
            pa.string(),
            "promoted or suppressed by the output weights, or liked by the input weights",
        ),
        rank=(pa.int32(), "0 for the strongest token of the direction"),
        token=(pa.int32(), "token id"),
        value=(
            pa.float32(),
            "effect on the token's logit, or of its embedding on the (gate's) pre-activation",
        ),
    ),
]
CONTRACTS: dict[str, TableContract] = {contract.name: contract for contract in _ALL}


def describe() -> Iterator[tuple[TableContract, list[tuple[str, str, str]]]]:
    """Every contract with its columns as (name, type, meaning), for the documentation."""
    for contract in CONTRACTS.values():
        yield contract, [(name, str(kind), meaning) for name, (kind, meaning) in contract.columns.items()]


def write_table(path: Path, name: str, table: pa.Table | Mapping[str, Any]) -> None:
    """Write a table as Parquet; the same content gives the same bytes.

    Args:
        path: the file to write.
        name: the contract that the table must meet.
        table: a pyarrow table, or column name -> values (a list, a numpy array or a pyarrow array).

    Raises:
        ValueError: columns are missing or unknown, a value is null or does not fit its type.
    """
    contract = CONTRACTS[name]
    if not isinstance(table, pa.Table):
        _check_columns(contract, table)
        try:
            arrays = [pa.array(table[column], type=kind) for column, (kind, _) in contract.columns.items()]
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ValueError(f"table {name}: {error}") from error
        table = pa.table(arrays, schema=contract.schema)
    else:
        _check_columns(contract, table.column_names)
        table = table.select(list(contract.columns)).cast(contract.schema)
    for column in table.column_names:
        if table[column].null_count:
            raise ValueError(f"table {name}: column {column} holds nulls")
    with replacing(path) as temporary:
        pq.write_table(
            table, temporary, compression="zstd", compression_level=3, version="2.6", store_schema=False
        )


def write_rows(path: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table given row by row, as `write_table` does."""
    write_table(path, name, pa.Table.from_pylist(list(rows), schema=CONTRACTS[name].schema))


def read_table(path: Path, name: str) -> pa.Table:
    """Read a Parquet table and check that it meets its contract.

    Raises:
        InputError: the file is missing or damaged, or holds other columns than the contract.
    """
    contract = CONTRACTS[name]
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the workflow to make it.") from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is damaged ({_first_line(error)}): delete it and run again.") from error
    found = [(field.name, field.type) for field in table.schema]
    if found != [(field.name, field.type) for field in contract.schema]:
        raise InputError(f"{path} does not hold the columns of a {name} table: delete it and run again.")
    return table


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path, dtype: np.dtype | type, dimensions: int = 1) -> np.ndarray:
    """Open a .npy file as a read-only memory map.

    Raises:
        InputError: the file is missing or damaged, or holds another kind of array.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the workflow to make it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({_first_line(error)}): delete it and run again.") from error
    if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
        raise InputError(f"{path} holds another kind of array than expected: delete it and run again.")
    return array


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as safetensors, in the order of their names."""
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read named arrays from a safetensors file.

    Raises:
        InputError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the workflow to make it.") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged ({_first_line(error)}): delete it and run again.") from error


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys; NaN and infinity are refused."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the workflow to make it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({_first_line(error)}): delete it and run again.") from error


def _check_columns(contract: TableContract, given: Any) -> None:
    missing, unknown = set(contract.columns) - set(given), set(given) - set(contract.columns)
    if missing or unknown:
        raise ValueError(
            f"table {contract.name}: missing columns {sorted(missing)}, unknown {sorted(unknown)}"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
