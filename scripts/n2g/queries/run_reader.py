"""The parts of a finished run, read from its folder or from its site, published or not."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
import urllib.request
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from n2g.errors import InputError
from n2g.files.contracts import CONTRACTS, VERSION
from n2g.files.tables import check_table, read_json, read_table, remedy, table_version
from n2g.ids import NeuronId
from n2g.model.checkpoint import DESCRIPTION, checkpoint_key
from n2g.results.stored_records import StoredRecords, checked
from n2g.site.wording import page_path
from n2g.texts.corpus_files import load_words

TIMEOUT = 60.0  # seconds without an answer


class RunReader(Protocol):
    """A finished run, wherever it is. Anything missing raises InputError."""

    @property
    def name(self) -> str:
        """Its name."""

    def names(self) -> list[NeuronId]:
        """Every neuron, in order."""

    def record(self, neuron: NeuronId) -> dict[str, Any]:
        """Its record."""

    def picture(self, neuron: NeuronId) -> str:
        """Its graph as SVG; empty where there is none."""

    def file(self, name: str) -> Path:
        """The file of a table of the whole run, such as `patterns`."""

    def table(self, name: str) -> pa.Table:
        """A table of the whole run, or one of all blocks with the layer as its first column."""

    def words(self) -> list[str]:
        """Text of each token id."""

    def tokenizer(self) -> Path:
        """The model's tokenizer.json."""

    def checkpoint(self) -> Path:
        """The model's checkpoint.json, with the weights beside it."""

    def bos(self) -> int:
        """The id of the token that begins every text."""


class RunFolder(StoredRecords):
    """A run in its folder `results/{run}`."""

    @property
    def name(self) -> str:
        return self.folder.name

    def picture(self, neuron: NeuronId) -> str:
        path = self.path(neuron).with_suffix(".svg")
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def file(self, name: str) -> Path:
        path = _existing(self.folder / f"{name}.parquet", "run the workflow to make it")
        check_table(path, name)
        return path

    def table(self, name: str) -> pa.Table:
        path = self.folder / f"{name}.parquet"
        if path.is_file():
            return read_table(path, name)
        parts = []
        for layer, blocks in sorted(self.blocks.items()):
            for _, folder in blocks:
                part = read_table(folder.parent / f"{name}.parquet", name)
                parts.append(part.add_column(0, "layer", pa.array([layer] * len(part), pa.int32())))
        return pa.concat_tables(parts)

    def words(self) -> list[str]:
        return load_words(self.folder / "corpus")

    def tokenizer(self) -> Path:
        return _existing(self._model() / "tokenizer.json", "name the model's tokenizer.json")

    def checkpoint(self) -> Path:
        return _existing(
            self._model() / DESCRIPTION, "run `snakemake model`, or name the model's checkpoint.json"
        )

    def bos(self) -> int:
        path = self.folder / "corpus" / "corpus.json"
        with _of_a_run(path):
            return read_json(path)["bos"]

    def _model(self) -> Path:
        path = self.folder / "manifest.json"
        with _of_a_run(path):
            key = checkpoint_key(read_json(path)["config"]["model"])
        return self.folder.absolute().parents[1] / "resources" / "checkpoints" / key


class RunSite:
    """A run by its site: the folder `results/{run}/atlas`, or where that is published.

    What is asked for is fetched once and kept in a temporary folder for as long as the object lives.
    """

    def __init__(self, address: str | Path) -> None:
        self._base = str(address).removesuffix("index.html").rstrip("/")
        self.name = self._base.rpartition("/")[2]
        self._kept = tempfile.TemporaryDirectory(prefix="n2g-site-")
        path = self._fetch("data/ids.json")
        with self._reading("data/ids.json"):
            self._names = sorted(
                NeuronId(layer, neuron, suffix == "-", *letter)
                for layer, first, last, suffix, *letter in read_json(path)
                for neuron in range(first, last + 1)
            )
        self._known = set(self._names)

    def names(self) -> list[NeuronId]:
        return self._names

    def record(self, neuron: NeuronId) -> dict[str, Any]:
        if neuron not in self._known:
            raise InputError(f"{neuron} is not part of the atlas at {self._base}.")
        relative = page_path(str(neuron)).replace("index.html", "record.json.gz")
        path = self._fetch(relative)
        with self._reading(relative):
            record = json.loads(gzip.decompress(path.read_bytes()))
        return checked(record, f"{neuron} of {self._base}")

    def picture(self, neuron: NeuronId) -> str:
        from n2g.graphs.drawing import layout, to_dot, to_svg

        record, name = self.record(neuron), str(neuron)
        graph = record["graph"]
        if not graph or len(graph["nodes"]) == 1:
            return ""
        words = {int(token): text for token, text in record["vocabulary"].items()}
        places = layout({name: to_dot(graph, words, name)})
        return to_svg(graph, words, places[name], name, record["explanation"])

    def file(self, name: str) -> Path:
        relative = f"data/tables/{name}.parquet"
        path = self._fetch(relative)
        with self._reading(relative):
            found = table_version(path)
        if found != VERSION:
            raise InputError(
                f"{self._base} has tables of version {found}, and this code reads version {VERSION}: query it with "
                "the version of Neuron Atlas that built it."
            )
        return path

    def table(self, name: str) -> pa.Table:
        table = pq.read_table(self.file(name))
        if not set(CONTRACTS[name].columns) <= set(table.column_names):
            raise InputError(
                f"{self._base} was built by another version: the columns of its table {name} differ."
            )
        return table

    def words(self) -> list[str]:
        return self.table("vocabulary")["text"].to_pylist()

    def tokenizer(self) -> Path:
        index = self._fetch("data/tokenizer.json")
        with self._reading("data/tokenizer.json"):
            names = [f"data/tokenizer/{piece}.bin" for piece in range(read_json(index)["pieces"])]
        packed = b"".join(self._fetch(name).read_bytes() for name in names)
        path = Path(self._kept.name, "tokenizer.json")
        with self._reading("data/tokenizer/"):
            path.write_bytes(gzip.decompress(packed))
        return path

    def checkpoint(self) -> Path:
        raise InputError(
            f"{self._base} is a site, which has no model: name the model's checkpoint.json, as in "
            "--checkpoint resources/checkpoints/name/checkpoint.json."
        )

    def bos(self) -> int:
        index = self._fetch("data/tokenizer.json")
        with self._reading("data/tokenizer.json"):
            return read_json(index)["bos"]

    @contextmanager
    def _reading(self, relative: str) -> Generator[None]:
        """Say in a sentence that a file of the site is not what this code writes."""
        try:
            yield
        except (InputError, OSError, EOFError, zlib.error, ValueError, LookupError, TypeError) as error:
            raise InputError(
                f"{self._base}/{relative} is damaged or no part of an atlas: build the atlas again."
            ) from error

    def _fetch(self, relative: str) -> Path:
        """A file of the site on this machine."""
        address = f"{self._base}/{relative}"
        if not is_address(self._base):
            return _existing(Path(address), "name the folder of a site, such as results/smollm2/atlas")
        path = Path(self._kept.name, relative)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.part")
            try:
                with urllib.request.urlopen(address, timeout=TIMEOUT) as answer, partial.open("wb") as file:
                    shutil.copyfileobj(answer, file)
            except (OSError, ValueError, HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                raise InputError(
                    f"{address} cannot be fetched ({reason}): give the URL of an atlas."
                ) from error
            partial.rename(path)
        return path


@contextmanager
def _of_a_run(path: Path) -> Generator[None]:
    """Say in a sentence that a JSON file of a run is not what this code writes."""
    try:
        yield
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not as a run has it: {remedy(path)}") from error


def open_run(place: str | Path) -> RunReader:
    """A run by its folder, by the folder of its site, or by the site's address."""
    if is_address(place) or (Path(place) / "data" / "ids.json").is_file():
        return RunSite(place)
    return RunFolder(Path(place))


def is_address(place: str | Path) -> bool:
    """Whether a place is a URL of the web."""
    return str(place).startswith(("http://", "https://"))


def _existing(path: Path, remedy: str) -> Path:
    if not path.is_file():
        raise InputError(f"{path} does not exist: {remedy}.")
    return path
