"""What every file of numbers holds, and how it is written and read.

Each Parquet table has a contract (see `n2g.files.contracts`); writing and reading both check it. Every file is written
under a temporary name and renamed, so any file that exists is complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from n2g.errors import InputError, first_line
from n2g.files.atomic import replacing
from n2g.files.contracts import CONTRACTS, VERSION, TableContract

VERSION_KEY = b"n2g.version"  # in the metadata of every table


def write_table(path: Path, name: str, table: pa.Table | Mapping[str, Any], group: int | None = None) -> None:
    """Write a table as Parquet; the same content gives the same bytes.

    Args:
        path: the file to write.
        name: the contract that the table must meet.
        table: a pyarrow table, or column name -> values (a list, a numpy array or a pyarrow array).
        group: rows per row group, so that few are read where few are needed; None for the default.

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
            raise ValueError(f"table {name}: column {column} contains nulls")
    with (
        replacing(path) as temporary,
        table_writer(temporary, contract.schema, compression_level=3) as writer,
    ):
        writer.write_table(table, row_group_size=group)


@contextmanager
def table_writer(path: Path, schema: pa.Schema, **options: Any) -> Generator[pq.ParquetWriter]:
    """A writer of a Parquet file that states the version of its contract. Options: those of `pq.ParquetWriter`."""
    with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False, **options) as writer:
        writer.add_key_value_metadata({VERSION_KEY: str(VERSION)})
        yield writer


def write_rows(path: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table given row by row, as `write_table` does."""
    write_table(path, name, pa.Table.from_pylist(list(rows), schema=CONTRACTS[name].schema))


def remedy(path: Path) -> str:
    """What to do about a damaged file, in words. A finished run does not notice that a file is gone, so it is named.

    A record is not a target of its own; its folder is.
    """
    target, named = (path.parent, "its folder") if path.parent.name == "render" else (path, "it")
    return f"delete {named} and run again, or, where the run is finished, `snakemake {target}`."


@contextmanager
def _reading(path: Path, damage: type[Exception]) -> Generator[None]:
    """Say in a sentence that a file is missing or damaged. damage: what its reader raises, besides OSError."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the workflow to make it.") from error
    except (damage, OSError) as error:
        raise InputError(f"{path} is damaged ({first_line(error)}): {remedy(path)}") from error


def read_table(path: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet table, or some of its columns, and check that it meets its contract.

    Raises:
        InputError: the file is missing or damaged, is of another version, or has other columns than the contract.
    """
    check_table(path, name)
    with _reading(path, pa.ArrowException):
        return pq.read_table(path, columns=columns)


def table_version(path: Path) -> int:
    """The version of the contracts that a table was written by. Raises InputError where it is missing or damaged."""
    with _reading(path, pa.ArrowException):
        metadata = pq.read_schema(path).metadata or {}
    return int(metadata.get(VERSION_KEY, 1))


def check_table(path: Path, name: str) -> None:
    """Raise InputError unless a table has the version and the columns of its contract."""
    if (found := table_version(path)) != VERSION:
        raise InputError(
            f"{path} is a table of version {found}, and this code reads version {VERSION}: {remedy(path)}"
        )
    with _reading(path, pa.ArrowException):
        columns = [(field.name, field.type) for field in pq.read_schema(path)]
    if columns != [(field.name, field.type) for field in CONTRACTS[name].schema]:
        raise InputError(f"{path} does not have the columns of a {name} table: {remedy(path)}")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


class GrowingArray:
    """A one-dimensional array in a file that grows at its end, and can be read meanwhile."""

    def __init__(self, file: BinaryIO, dtype: np.dtype | type) -> None:
        self._file, self._dtype, self._size = file, np.dtype(dtype), 0
        self.write_header()
        self._begin = file.tell()

    def __len__(self) -> int:
        return self._size

    def append(self, values: np.ndarray) -> None:
        """Add values of the array's dtype at the end."""
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)
        self._size += len(values)

    def read(self, begin: int, end: int) -> np.ndarray:
        """The values from `begin` to before `end`."""
        self._file.flush()
        place, size = (self._begin + at * self._dtype.itemsize for at in (begin, end))
        return np.frombuffer(os.pread(self._file.fileno(), size - place, place), self._dtype)

    def write_header(self) -> None:
        """Write the array's length at the beginning of the file, where numpy leaves room for any length."""
        self._file.seek(0)
        about = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._size,)}
        np.lib.format.write_array_header_1_0(self._file, about)


@contextmanager
def growing_array(path: Path, dtype: np.dtype | type) -> Generator[GrowingArray]:
    """Write one array as .npy, part by part: the same bytes as `write_array` writes of the whole."""
    with replacing(path) as temporary, temporary.open("w+b") as file:
        array = GrowingArray(file, dtype)
        yield array
        array.write_header()


@contextmanager
def new_array(path: Path, dtype: np.dtype | type) -> Generator[Callable[[int], np.ndarray]]:
    """Write one array as .npy, in any order: yields a function that allocates that many values as a memory map."""
    with replacing(path) as temporary:

        def room(size: int) -> np.ndarray:
            array = np.lib.format.open_memmap(temporary, "w+", np.dtype(dtype), (size,))
            with temporary.open(
                "r+b"
            ) as file:  # a full disk raises here; in a memory map it would kill the program
                os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)
            return array

        yield room


def read_array(path: Path, dtype: np.dtype | type, dimensions: int = 1) -> np.ndarray:
    """Open a .npy file as a read-only memory map.

    Raises:
        InputError: the file is missing or damaged, or holds another kind of array.
    """
    with _reading(path, ValueError):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
        raise InputError(f"{path} contains a different kind of array than expected: {remedy(path)}")
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

    with _reading(path, SafetensorError):
        return load_file(path)


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
    with _reading(path, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))


def _check_columns(contract: TableContract, given: Any) -> None:
    missing, unknown = set(contract.columns) - set(given), set(given) - set(contract.columns)
    if missing or unknown:
        raise ValueError(
            f"table {contract.name}: missing columns {sorted(missing)}, unknown {sorted(unknown)}"
        )
