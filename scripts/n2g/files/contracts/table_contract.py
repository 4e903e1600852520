"""What a table holds: its columns with their types and meanings, and the columns that many tables have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa


@dataclass(frozen=True)
class TableContract:
    """The columns of a table.

    Attributes:
        name: the file's name without its suffix; the same word as in `n2g.files.contracts.CONTRACTS`.
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


def contract(name: str, meaning: str, **columns: tuple[pa.DataType, str]) -> TableContract:
    """A contract; columns as keywords."""
    return TableContract(name, meaning, MappingProxyType(columns))


# Columns of many tables.
NEURON = (pa.int32(), "index in the layer's MLP hidden vector")
POLE = (pa.string(), "positive or negative")
