"""Contracts of tables: checked when written and when read, whole or not at all."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from n2g.errors import InputError
from n2g.files.contracts import VERSION, describe
from n2g.files.tables import (
    CONTRACTS,
    VERSION_KEY,
    read_array,
    read_arrays,
    read_json,
    read_table,
    write_array,
    write_arrays,
    write_json,
    write_table,
)

VOCABULARY = {"token": [0, 1], "text": ["a", "é"], "special": [True, False]}


def test_tables_round_trip_to_the_byte(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", "vocabulary", VOCABULARY)
    found = read_table(tmp_path / "a.parquet", "vocabulary")
    assert found.to_pydict() == VOCABULARY
    write_table(tmp_path / "b.parquet", "vocabulary", found.select(["text", "special", "token"]))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize(
    "change",
    [{"token": [0, None]}, {"token": ["x", "y"]}, {"text": [1, 2]}, {"more": [1, 2]}, {"token": [0, 2**40]}],
)
def test_tables_that_break_their_contract_are_not_written(tmp_path: Path, change: dict) -> None:
    with pytest.raises(ValueError, match="table vocabulary"):
        write_table(tmp_path / "a.parquet", "vocabulary", VOCABULARY | change)
    with pytest.raises(ValueError, match="missing columns"):
        write_table(tmp_path / "a.parquet", "vocabulary", {"token": [1]})
    assert not list(tmp_path.iterdir())


def test_tables_that_break_their_contract_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(InputError, match="does not exist"):
        read_table(path, "vocabulary")
    write_table(path, "maxima", {"layer": [0], "neuron": [1], "pole": ["positive"], "maximum": [2.0]})
    with pytest.raises(InputError, match="columns of a vocabulary table"):
        read_table(path, "vocabulary")
    write_table(path, "vocabulary", VOCABULARY)
    whole = path.read_bytes()
    for size in (0, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="is damaged"):
            read_table(path, "vocabulary")


@pytest.mark.parametrize("columns", [None, ["token"]])
def test_a_table_of_another_version_is_not_read(tmp_path: Path, columns: list[str] | None) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(VOCABULARY, CONTRACTS["vocabulary"].schema)
    for metadata, found in (({}, 1), ({VERSION_KEY: str(VERSION + 1)}, VERSION + 1)):
        pq.write_table(table.replace_schema_metadata(metadata), path)
        with pytest.raises(InputError) as error:
            read_table(path, "vocabulary", columns)
        assert str(error.value) == (
            f"{path} is a table of version {found}, and this code reads version {VERSION}: "
            f"delete it and run again, or, where the run is finished, `snakemake {path}`."
        )
    write_table(path, "vocabulary", VOCABULARY)
    assert read_table(path, "vocabulary", columns)["token"].to_pylist() == VOCABULARY["token"]


def test_arrays(tmp_path: Path) -> None:
    array = np.arange(5, dtype=np.int32)
    write_array(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy", np.int32), array)
    for dtype, dimensions in ((np.int64, 1), (np.int32, 2)):
        with pytest.raises(InputError, match="different kind of array"):
            read_array(tmp_path / "a.npy", dtype, dimensions)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-3])
    with pytest.raises(InputError, match="is damaged"):
        read_array(tmp_path / "a.npy", np.int32)
    with pytest.raises(ValueError, match="pickle"):
        write_array(tmp_path / "b.npy", np.array([{}], dtype=object))
    assert not (tmp_path / "b.npy").exists()

    write_arrays(tmp_path / "a.safetensors", {"y": array, "x": array[::2].astype(np.float32)})
    write_arrays(tmp_path / "b.safetensors", {"x": array[::2].astype(np.float32), "y": array})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.safetensors")["x"], [0, 2, 4])
    (tmp_path / "a.safetensors").write_bytes(b"123")
    with pytest.raises(InputError, match="is damaged"):
        read_arrays(tmp_path / "a.safetensors")


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "é", "a": [1, 0.5]})
    assert read_json(tmp_path / "a.json") == {"a": [1, 0.5], "b": "é"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert read_json(tmp_path / "a.json")["b"] == "é"
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        read_json(tmp_path / "a.json")


def test_every_column_is_described() -> None:
    assert {contract.name for contract, _ in describe()} == set(CONTRACTS)
    for contract, columns in describe():
        assert contract.meaning.strip()
        assert columns and all(kind and meaning.strip() for _, kind, meaning in columns)


def test_the_remedy_for_a_damaged_file_names_what_can_be_made(tmp_path: Path) -> None:
    for name, made in (("summary.json", "summary.json"), ("render/L0.N1.json", "render")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{")
        with pytest.raises(InputError) as error:
            read_json(path)
        assert str(error.value).endswith(f"`snakemake {tmp_path / made}`.")
