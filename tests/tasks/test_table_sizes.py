"""Small files that claim or unpack to more than the memory are refused before it is taken."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from survey.errors import TaskError
from survey.system import machine
from survey.tasks.loading import load
from survey.tasks.own import UserTask
from survey.tasks.prepared import PreparedTask

MEMORY = 200 << 20
SMALL_ENOUGH = 60 << 20
"""Of memory that a refusal takes itself."""


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: MEMORY)


def own(path: Path, **keys: Any) -> PreparedTask:
    return load("mine", {"mine": UserTask(**{"path": path, "target": "y", "kind": "regression", **keys})})


def refused(path: Path, *parts: str, **keys: Any) -> None:
    tracemalloc.start()
    with pytest.raises(TaskError) as error:
        own(path, **keys)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SMALL_ENOUGH
    message = str(error.value)
    assert "\n" not in message
    for part in ("task 'mine'", path.name, *parts):
        assert part in message, f"{part!r} is not in {message!r}"


TOLD = ["a table may take 167.8 MB here (80% of this machine's)", "remove rows or columns"]


@pytest.mark.parametrize("row", [b"0,1\n", b"0" * 100_000])
def test_text_that_unpacks_to_gigabytes(tmp_path: Path, row: bytes) -> None:
    """Without line ends too, and of several members: the size in the last bytes of gzip is that of its last one."""
    member = gzip.compress(row * ((16 << 20) // len(row)), 1)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"a,y\n") + member * 64 + gzip.compress(b"0,1\n"))
    refused(path, f"its {path.stat().st_size:,} bytes unpack to ", "cells or more", *TOLD)


def test_text_that_is_too_large_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"a,y\n" + b"0,1\n" * (5 << 20))
    refused(path, "cells or more", *TOLD)


def test_a_table_that_just_fits(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,y\n" + b"".join(b"%d,%d\n" % (row, row % 99) for row in range(100_000))))
    assert own(path).num_rows == 100_000


def npy(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + data


def npz(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def test_an_array_that_claims_ten_thousand_million_rows(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", X=npy((10**10, 2)), y=npy((10**10,)))
    refused(path, "array 'X'", "(10000000000, 2)", "160,000,000,000 bytes", *TOLD)


def test_an_array_that_unpacks_to_more_than_the_memory(tmp_path: Path) -> None:
    rows = 15 << 20
    path = npz(tmp_path / "t.npz", X=npy((rows, 1), bytes(8 * rows)), y=npy((rows,)))
    assert path.stat().st_size < 1 << 20
    refused(path, "array 'X'", f"({rows}, 1)", f"{8 * rows:,} bytes", *TOLD)


@pytest.mark.parametrize("rows", [5, 50_000])
def test_an_array_that_lies_about_its_rows(tmp_path: Path, rows: int) -> None:
    path = npz(tmp_path / "t.npz", X=npy((rows, 1), bytes(8 * 500)), y=npy((rows,), bytes(8 * rows)))
    refused(path, "array 'X'", f"claims the shape ({rows}, 1)", "the file holds 4,000", "damaged")


def test_columns_that_are_too_many_once_they_are_one_hot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: MEMORY // 5)
    path = tmp_path / "t.csv"
    rows = 1_000
    columns = [np.arange(rows) * (2 * number + 1) % 100 for number in range(60)]
    text = np.char.add("c", np.stack([*columns, np.arange(rows) % 7], axis=1).astype(str))
    names = [*(f"c{number}" for number in range(60)), "y"]
    path.write_text("\n".join([",".join(names), *map(",".join, text.tolist())]))
    with pytest.raises(TaskError, match=r"1,000 rows make 4,\d\d\d inputs or more; that takes .* remove rows or col"):
        own(path, kind="classification")


def varint(number: int) -> bytes:
    """A whole number as the footer of a Parquet file has it: zigzag, then seven bits a byte."""
    number, parts = 2 * number, []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def with_rows(path: Path, rows: int, claimed: int) -> Path:
    """Let the footer of a Parquet file claim another number of rows."""
    content = path.read_bytes()
    length = struct.unpack("<I", content[-8:-4])[0]
    footer = content[-8 - length : -8].replace(varint(rows), varint(claimed))
    path.write_bytes(content[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1")
    return path


ROWS = 12_345


def written(path: Path, rows: int = ROWS, **options: Any) -> Path:
    numbers = np.arange(rows)
    pq.write_table(pa.table({"a": numbers % 900, "y": numbers % 77}), path, store_schema=False, **options)
    return path


def test_a_footer_that_claims_ten_thousand_million_rows(tmp_path: Path) -> None:
    path = with_rows(written(tmp_path / "t.parquet"), ROWS, 10**10)
    refused(path, "its footer claims 10,000,000,000 rows of 2 columns", *TOLD)


@pytest.mark.parametrize("claimed", [ROWS - 45, ROWS + 55])
def test_a_footer_that_lies_about_its_rows(tmp_path: Path, claimed: int) -> None:
    path = with_rows(written(tmp_path / "t.parquet"), ROWS, claimed)
    try:
        found = own(path).num_rows
    except TaskError:
        return
    assert found == claimed, "what is there is read up to what is claimed"


def test_constant_columns_of_many_rows(tmp_path: Path) -> None:
    rows = 4 << 20
    column = pa.array(np.zeros(rows))
    pq.write_table(pa.table({"a": column, "y": column}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 16
    refused(tmp_path / "t.parquet", f"its footer claims {rows:,} rows of 2 columns", *TOLD)


def test_a_long_text_that_is_repeated_takes_its_length_once(tmp_path: Path) -> None:
    """Also where the file does not say that it has a dictionary."""
    rows, length = 3_000, 1 << 17
    words = pa.DictionaryArray.from_arrays(pa.array(np.arange(rows) % 3, pa.int32()), ["u" * length, "v", "w"])
    table = pa.table({"a": words, "b": np.arange(rows), "y": np.arange(rows) % 2})
    pq.write_table(table, tmp_path / "t.parquet", store_schema=False)
    before = pa.default_memory_pool().max_memory()
    assert own(tmp_path / "t.parquet", kind="classification").num_inputs == 4
    assert pa.default_memory_pool().max_memory() - before < SMALL_ENOUGH
