"""What every table holds: columns, types and meanings, a module for each group. `docs/files.md` says the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from n2g.files.contracts import activations, corpus, effects, fitting, scores, weights, whole_run
from n2g.files.contracts.table_contract import TableContract

# Of all tables together. It goes up when a column or a value is renamed or changes its meaning; the check of columns
# would see only the first. CHANGELOG.md says what changed. Tables without a version are from before 2.
VERSION = 2

_PARTS = (corpus, activations, fitting, weights, scores, effects, whole_run)
CONTRACTS: dict[str, TableContract] = {
    contract.name: contract for contract in chain.from_iterable(part.TABLES for part in _PARTS)
}


def describe() -> Iterator[tuple[TableContract, list[tuple[str, str, str]]]]:
    """Every contract with its columns as (name, type, meaning), for the documentation."""
    for contract in CONTRACTS.values():
        yield contract, [(name, str(kind), meaning) for name, (kind, meaning) in contract.columns.items()]
