"""The records of a run, where the render stage wrote them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from n2g.errors import InputError
from n2g.files.tables import read_json
from n2g.graphs.graph_file import check_graph
from n2g.ids import Block, NeuronId

VERSION = 3  # of the form of records, see schemas/record.schema.json


class StoredRecords:
    """The records of a run in its folder `results/{run}`.

    Args:
        folder: the run's.
        renders: the folders of records that count; None for all.

    Raises:
        InputError: there are none.
    """

    def __init__(self, folder: Path, renders: Iterable[Path] | None = None) -> None:
        self.folder = folder
        self.blocks: dict[int, list[tuple[Block, Path]]] = {}
        for render in sorted(folder.glob("*/*/render")) if renders is None else renders:
            block = (Block.parse(render.parent.name), render)
            self.blocks.setdefault(int(render.parent.parent.name), []).append(block)
        if not self.blocks:
            raise InputError(f"{folder} is not a finished run: name a folder such as results/smollm2.")

    def names(self) -> list[NeuronId]:
        """Every neuron, in order."""
        folders = (folder for blocks in self.blocks.values() for _, folder in blocks)
        return sorted({NeuronId.parse(path.stem) for folder in folders for path in folder.glob("*.json")})

    def path(self, neuron: NeuronId) -> Path:
        """The file of a neuron's record. Raises InputError where it is not part of the run."""
        for block, folder in self.blocks.get(neuron.layer, ()):
            path = folder / f"{neuron}.json"
            if neuron.neuron in block.neurons and path.is_file():
                return path
        raise InputError(f"{neuron} is not part of the run in {self.folder}.")

    def record(self, neuron: NeuronId) -> dict[str, Any]:
        """A neuron's record. Raises InputError where it is missing, damaged, or of another version."""
        path = self.path(neuron)
        return checked(read_json(path), path)


def checked(record: Any, place: object) -> dict[str, Any]:
    """A record as it was read. Raises InputError where it has not the form that this code writes."""
    if isinstance(record, dict) and record.get("version") == VERSION:
        parts = {name: record.get(name) for name in ("vocabulary", "metrics", "statistics", "provenance")}
        if all(isinstance(part, dict) for part in parts.values()) and isinstance(record.get("status"), str):
            with suppress(LookupError, TypeError, ValueError, AttributeError):
                if record["graph"] is not None:
                    check_graph(record["graph"])
                return record
    raise InputError(
        f"{place} is no record of version {VERSION}, which this code reads: run the workflow again, or query it with "
        "the version of Neuron Atlas that made it."
    )
