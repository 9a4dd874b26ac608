"""Tables of the user's own: whatever is in them is read right, or refused with one message that says where and why."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import datasets

from survey.errors import SearchSpaceError, TaskError
from survey.spaces.yaml_file import load_space
from survey.tasks.own import UserTask
from survey.tasks.preparation import lines, told
from tests.support import own_table
from tests.support.own_table import own

ROWS = 30
Y = [row % 2 for row in range(ROWS)]


def table_of(path: Path, cells: list, *, separator: str = ",", head: str = "a,b,y", encoding: str = "utf-8") -> Path:
    """A text file with these cells in column `a`, a number in `b`, and a target of two classes."""
    rows = [f"{cell}{separator}{row % 3}{separator}{row % 2}" for row, cell in enumerate(cells)]
    path.write_bytes("\n".join([head.replace(",", separator), *rows, ""]).encode(encoding))
    return path


def refused(path: Path, *parts: str, **keys: Any) -> None:
    """It is refused with one line that names the task, the file and all this."""
    own_table.refused(path, path.name, *parts, **keys)


# Text that was hardly meant as categories.


@pytest.mark.parametrize(
    ("cells", "parts"),
    [
        ([f"id{row}" for row in range(ROWS)], ["30 different texts, one in each row", "'id0'", "`drop`"]),
        ([f"2020-01-{row % 29 + 1:02}" for row in range(290)], []),
        ([f"2020-01-01T00:{row:02}" for row in range(ROWS)], ["`dates`", "`drop`"]),
        ([f"id{row % 101}" for row in range(202)], ["101 different texts, such as", "at most 100 categories"]),
        ([f'"{row + 1},234"' for row in range(ROWS)], ["line 2", "'1,234'", "`decimal: ','`", "thousands"]),
        ([f'"{row % 4},5"' for row in range(ROWS)], ["line 2", "'0,5'", "`decimal: ','`"]),
        ([f'"1.234,{row}"' for row in range(ROWS)], ["`decimal: ','`", "points that group thousands"]),
        ([f"{row % 5} %" for row in range(ROWS)], ["line 2", "'0 %'", "percent"]),
        ([*range(ROWS), "45 %"], ["line 32", "'45 %'", "column of numbers", "percent"]),
        (["yes", "no", "5"] * 10, []),
    ],
)
def test_text(tmp_path: Path, cells: list, parts: list[str]) -> None:
    path = table_of(tmp_path / "t.csv", cells)
    if parts:
        refused(path, "column 'a'", *parts)
        assert own(path, drop="a").digest == own(path, columns=["b"]).digest
    else:
        assert own(path).num_inputs == 3 + len(set(cells))


def test_a_target_with_a_name_for_each_row(tmp_path: Path) -> None:
    refused(
        table_of(tmp_path / "t.csv", [f"id{row}" for row in range(ROWS)]), "different class in each row", target="a"
    )


def test_a_quantity_as_a_target_of_classes(tmp_path: Path) -> None:
    path = table_of(tmp_path / "t.csv", [row + 0.5 for row in range(ROWS)])
    refused(path, "target column 'a'", "30 different numbers that are not whole", "`kind: regression`", target="a")
    assert own(path, target="a", kind="regression").num_outputs == 1
    halves = table_of(tmp_path / "halves.csv", [row % 5 + 0.5 for row in range(ROWS)])
    assert own(halves, target="a").num_outputs == 5, "few of them can be classes"


# Keys.


def test_a_file_of_a_spreadsheet_in_german(tmp_path: Path) -> None:
    cells = [f"{row},{row}" for row in range(ROWS)]
    path = table_of(tmp_path / "t.csv", cells, separator=";", head="größe,b,y", encoding="latin-1")
    refused(path, "line 1", "0xf6", "not utf-8", "`encoding: latin-1`")
    refused(path, "no column 'y'", "separated by ','", "`separator: ';'`", encoding="latin-1")
    refused(path, "column 'größe'", "line 2", "`decimal: ','`", encoding="latin-1", separator=";")
    plain = table_of(tmp_path / "plain.csv", [cell.replace(",", ".") for cell in cells])
    assert own(path, encoding="latin-1", separator=";", decimal=",").digest == own(plain).digest


@pytest.mark.parametrize(("separator", "key"), [("\t", r'`separator: "\t"`'), ("|", "`separator: '|'`")])
def test_another_separator(tmp_path: Path, separator: str, key: str) -> None:
    path = table_of(tmp_path / "t.csv", list(range(ROWS)), separator=separator)
    refused(path, key)
    assert own(path, separator=separator).digest == own(table_of(tmp_path / "c.csv", list(range(ROWS)))).digest


def test_an_index_without_a_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.linspace(0, 1, ROWS), "y": Y})
    frame.to_csv(tmp_path / "t.csv")
    frame.to_csv(tmp_path / "plain.csv", index=False)
    refused(tmp_path / "t.csv", "line 1", "column 1 has no name", "`drop: ['Unnamed: 0']`")
    assert own(tmp_path / "t.csv", drop=["Unnamed: 0"]).digest == own(tmp_path / "plain.csv").digest
    assert own(tmp_path / "t.csv", columns=["Unnamed: 0", "a"]).num_inputs == 2


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    path = table_of(tmp_path / "t.csv", list(range(ROWS)), head="age,b,y")
    refused(path, "`drop`", "no column 'agee'", "did you mean 'age'?", "age, b, y", drop=["agee"])
    refused(path, "`columns`", "no column 'c'", columns=["c"])
    refused(path, "`dates`", "no column 'c'", dates=["c"])
    refused(path, "`drop` names 'y', which is the target", drop=["y"])
    refused(path, "no column besides the target 'y'", drop=["age", "b"])


def test_columns_keep_the_order_of_the_file(tmp_path: Path) -> None:
    path = table_of(tmp_path / "t.csv", list(range(ROWS)))
    assert own(path, columns=["b", "a"]).digest == own(path).digest


def test_keys_at_their_defaults_change_nothing(tmp_path: Path) -> None:
    path = table_of(tmp_path / "t.csv", list(range(ROWS)))
    written_out = {
        "separator": ",",
        "decimal": ".",
        "encoding": "utf-8",
        "drop": [],
        "dates": [],
        "missing": "refuse",
        "missing_values": ["", "NaN", "nan", "NA", "N/A", "n/a", "NULL", "null"],
    }
    assert own(path, **written_out).digest == own(path).digest
    assert own(path, drop="b").digest != own(path).digest


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ("path: t.csv, sep: ';'", ["unknown key 'sep'", "separator, decimal, encoding"]),
        ("path: t.csv, separator: ';;'", ["separator", "1 character", "';;'"]),
        ("path: t.csv, decimal: ';'", ["decimal", "'.' or ','"]),
        ("path: t.csv, encoding: utf-9", ["encoding", "latin-1", "'utf-9'"]),
        ("path: t.csv, encoding: base64", ["encoding", "'base64'"]),
        ("path: t.csv, missing: median", ["missing", "'most_frequent'", "'median'"]),
        ("path: t.csv, columns: [a], drop: [b]", ["`columns` and `drop`"]),
        ("path: t.parquet, decimal: ','", ["`separator`, `decimal` and `encoding` are for text files"]),
        ("path: t.csv, columns: [1]", ["columns[0]", "valid string", "found 1"]),
        ("data: t.csv", ["pass a file as `path`"]),
        ("path: null", ["expected a file as `path`"]),
        ("drop: [a]", ["the key 'path' is missing"]),
        ("path: ~nobody-at-all/t.csv", ["~nobody-at-all", "absolute path"]),
    ],
)
def test_keys_that_make_no_sense(tmp_path: Path, keys: str, parts: list[str]) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "grids: [{dataset: mine, shape: rectangle, size: 64, depth: 2}]\n"
        f"tasks: {{mine: {{target: y, kind: regression, {keys}}}}}\n"
    )
    with pytest.raises(SearchSpaceError) as error:
        load_space(file)
    for part in ("s.yaml", "mine", *parts):
        assert part in str(error.value)


# Dates.


def test_dates_become_numbers(tmp_path: Path) -> None:
    days = [datetime.date(1650, 1, 1) + datetime.timedelta(days=int(row**2.3)) for row in range(ROWS)]
    numbers = table_of(tmp_path / "n.csv", [(day - days[0]).days for day in days])
    expected = own(numbers).inputs
    path = table_of(tmp_path / "t.csv", days)
    assert np.allclose(own(path, dates="a").inputs, expected, atol=1e-7)
    table = pa.table({"a": pa.array(days), "b": [row % 3 for row in range(ROWS)], "y": Y})
    pq.write_table(table, tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "column 'a'", "type date", "`dates`")
    assert own(tmp_path / "t.parquet", dates=["a"]).digest == own(path, dates="a").digest
    digits = table_of(tmp_path / "d.csv", [f"{day:%Y%m%d}" for day in days])
    assert own(digits, dates="a").digest == own(path, dates="a").digest


@pytest.mark.parametrize("cell", ["31.12.2020", "12/31/2020", "2020-02-30", "2020.5", "soon"])
def test_what_is_no_date(tmp_path: Path, cell: str) -> None:
    path = table_of(tmp_path / "t.csv", ["2020-12-31", "2020-12-31 10:00", cell, "2021-01-01T00:00:00Z", "2020-01-01"])
    refused(path, "column 'a'", "line 4", repr(cell), "2020-12-31", dates="a")


def test_moments_of_time_zones_are_those_of_the_same_clock(tmp_path: Path) -> None:
    moments = pd.date_range("2021-03-28", periods=ROWS, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"a": moments, "y": Y})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.assign(a=frame["a"].dt.tz_convert("UTC")).to_csv(tmp_path / "t.csv", index=False)
    one, other = (own(tmp_path / name, dates="a") for name in ("t.parquet", "t.csv"))
    assert one.digest == other.digest
    assert np.allclose(one.inputs[:, 0], np.linspace(0, 1, ROWS))


# Missing values.

GAPS = ["", *range(1, 20), "", *range(21, 29), 19]


@pytest.mark.parametrize("missing", ["mean", "most_frequent"])
def test_missing_numbers_are_filled_in(tmp_path: Path, missing: str) -> None:
    fill = 19.0 if missing == "most_frequent" else float(np.mean([cell for cell in GAPS if cell != ""]))
    task = own(table_of(tmp_path / "t.csv", GAPS), missing=missing)
    expected = [fill if cell == "" else float(cell) for cell in GAPS]
    assert np.allclose(task.inputs[:, 0], (np.array(expected) - 1) / 27, atol=1e-5)
    assert "2 missing values filled in" in next(lines("mine", told(task)))


@pytest.mark.parametrize("missing", ["mean", "most_frequent"])
def test_missing_texts_and_truths_are_filled_with_the_most_frequent(tmp_path: Path, missing: str) -> None:
    for cells in (["u", "", "v", "v", "w"] * 6, ["True", "", "False", "False"] * 7):
        whole = [cell or ("v" if "v" in cells else "False") for cell in cells]
        one, other = table_of(tmp_path / "t.csv", cells), table_of(tmp_path / "w.csv", whole)
        assert own(one, missing=missing).digest == own(other).digest


def test_rows_with_missing_values_are_left_out(tmp_path: Path) -> None:
    path = table_of(tmp_path / "t.csv", GAPS)
    refused(path, "column 'a'", "line 2", "missing value", "`missing: drop_rows`", "`missing_values: []`")
    task = own(path, missing="drop_rows")
    assert task.num_rows == ROWS - 2
    assert "2 rows with missing values dropped" in next(lines("mine", told(task)))
    bad = table_of(tmp_path / "bad.csv", [*GAPS[:25], "inf", *GAPS[25:]])
    refused(bad, "column 'a'", "line 27", "found inf", missing="drop_rows")
    few = table_of(tmp_path / "few.csv", ["", "", *range(4)])
    refused(few, "found 4 rows after 2 with missing values were dropped", missing="drop_rows")


def test_what_is_never_filled_in(tmp_path: Path) -> None:
    path = table_of(tmp_path / "t.csv", GAPS)
    for missing in ("mean", "most_frequent"):
        refused(path, "target column 'a'", "line 2", "never filled in", target="a", missing=missing)
    assert own(path, target="a", kind="regression", missing="drop_rows").num_rows == ROWS - 2
    empty = table_of(tmp_path / "empty.csv", [""] * ROWS)
    for missing in ("refuse", "mean", "drop_rows"):
        refused(empty, "column 'a'", "no value at all", "`drop`", missing=missing)


def test_cells_that_mean_missing_can_be_named(tmp_path: Path) -> None:
    countries = table_of(tmp_path / "t.csv", ["DE", "NA", "FR"] * 10)
    refused(countries, "column 'a'", "line 3", "`missing_values: []`")
    assert own(countries, missing_values=[]).num_inputs == 6
    codes = [-999, *range(1, ROWS)]
    numbers, gaps = table_of(tmp_path / "n.csv", codes), table_of(tmp_path / "g.csv", ["", *codes[1:]])
    expected = own(gaps, missing="mean")
    assert own(numbers, missing_values=[-999], missing="mean").digest == expected.digest
    pd.read_csv(numbers).to_parquet(tmp_path / "n.parquet")
    assert own(tmp_path / "n.parquet", missing_values=[-999], missing="mean").digest == expected.digest


# Numbers that float64 does not hold.

LARGE = [2**53 + row % 3 for row in range(ROWS)]


def large_csv(path: Path, numbers: list) -> None:
    pd.DataFrame({"a": numbers, "b": range(len(numbers)), "y": [*Y, 0][: len(numbers)]}, dtype=object).to_csv(
        path, index=False
    )


def large_parquet(path: Path, numbers: list) -> None:
    kind = pa.int64() if max(number or 0 for number in numbers) < 2**63 else pa.decimal128(30)
    cells = [number if kind == pa.int64() or number is None else Decimal(number) for number in numbers]
    pq.write_table(pa.table({"a": pa.array(cells, kind), "b": range(len(cells)), "y": [*Y, 0][: len(cells)]}), path)


@pytest.mark.parametrize("write", [large_csv, large_parquet])
@pytest.mark.parametrize("offset", [0, 2**61, 2**70])
@pytest.mark.parametrize("gap", [False, True])
def test_large_whole_numbers_keep_apart(tmp_path: Path, write: Callable, offset: int, gap: bool) -> None:
    path = tmp_path / ("t.csv" if write is large_csv else "t.parquet")
    write(path, [*([None] if gap else []), *(number + offset for number in LARGE)])
    missing = "drop_rows" if gap else "refuse"
    labels = own(path, target="a", missing=missing)
    assert labels.num_outputs == 3
    assert np.array_equal(labels.targets, np.eye(3)[[row % 3 for row in range(ROWS)]])
    assert set(told(labels)["classes"]) == {str(2**53 + offset + k) for k in range(3)}
    assert np.array_equal(own(path, missing=missing).inputs[:, :3], labels.targets)
    write(path, [*([None] if gap else []), *(2**53 + offset + 3 * row for row in range(ROWS))])
    ids = own(path, missing=missing, drop="b")
    assert np.allclose(ids.inputs[:, 0], np.linspace(0, 1, ROWS), atol=1e-7)


def test_large_arrays_and_mixed_signs(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.arange(2.0 * ROWS).reshape(ROWS, 2), y=np.array(LARGE))
    assert own(tmp_path / "t.npz").num_outputs == 3
    mixed = table_of(tmp_path / "t.csv", [2**64 - 1 - row % 3 if row % 5 else -1 for row in range(ROWS)])
    assert own(mixed, target="a").num_outputs == 4


def test_large_numbers_that_float64_holds_are_read_as_before(tmp_path: Path) -> None:
    """Their digests are those of float64: nanoseconds, for example, whose last digits are noise."""
    nanoseconds = [1_700_000_000_000_000_000 + 2**20 * row * row for row in range(ROWS)]
    one = own(table_of(tmp_path / "t.csv", nanoseconds))
    other = own(table_of(tmp_path / "f.csv", [float(number) for number in nanoseconds]))
    assert one.digest == other.digest


# Nasty files.


def edited(cells: list, old: str, new: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(table_of(path, cells).read_text().replace(old, new))


def parquet(**columns: Any) -> Callable[[Path], Any]:
    return lambda path: pq.write_table(pa.table({**columns, "y": Y}), path)


def frame(**columns: Any) -> Callable[[Path], Any]:
    return lambda path: pd.DataFrame({**columns, "y": Y}).to_parquet(path)


def arrays(**given: Any) -> Callable[[Path], Any]:
    return lambda path: np.savez(path, **given)


def levels(path: Path) -> None:
    names = pd.MultiIndex.from_tuples([("a", "x"), ("y", "")])
    pd.DataFrame(np.arange(2 * ROWS).reshape(ROWS, 2), columns=names).to_parquet(path)


N = list(range(ROWS))
X = np.arange(2.0 * ROWS).reshape(ROWS, 2)
NASTY: dict[str, tuple[str, Callable[[Path], Any], list[str]]] = {
    "UTF-16": ("t.csv", lambda p: table_of(p, N, encoding="utf-16"), ["UTF-16", "`encoding: utf-16`"]),
    "UTF-16 without a mark": ("t.csv", lambda p: table_of(p, N, encoding="utf-16-le"), ["line 1", "NUL", "`encoding`"]),
    "a cut character": ("t.csv", lambda p: p.write_bytes(b"a,y\n1,0\n" + b"\xc3"),
                        ["line 3", "0xc3", "not utf-8", "`encoding`"]),
    "a NUL": ("t.csv", edited(N, "7,", "7\0,"), ["line 9", "NUL"]),
    "an open quote": ("t.csv", edited(N, "\n7,", '\n"7,'), ["line 9", "quote", "never closed"]),
    "a row with more": ("t.csv", edited(N, "\n7,", "\n7,7,"), ["line 9", "more cells than its header", "4", "3"]),
    "a row with less": ("t.csv", edited(N, "\n7,1,1", "\n7,1"), ["line 9", "'y'", "missing value"]),
    "rows with an index": ("t.csv", lambda p: table_of(p, N, head="b,y"), ["line 2", "more cells than its header"]),
    "a long cell": ("t.csv", lambda p: table_of(p, ["x" * 200_000, "y", ""] * 9), ["line 4", "'a'", "missing value"]),
    "long cells": ("t.csv", lambda p: table_of(p, [f"x{row}" * 50_000 for row in N]), ["'a'", "30 different texts"]),
    "a long name": ("t.csv", lambda p: table_of(p, N, head=f"{'a' * 200_000},b,z"), ["no target column 'y'", "aaa..."]),
    "names on two lines": ("t.csv", lambda p: table_of(p, N, head='"a\nq",b,z'), ["no target column 'y'", r"'a\nq'"]),
    "columns of one name": ("t.csv", lambda p: table_of(p, N, head="b,b,y"), ["column 'b' occurs twice", "rename"]),
    "blank lines": ("t.csv", lambda p: p.write_bytes(b"\n \n\n"), ["no header"]),
    "a workbook": ("t.csv", lambda p: p.write_bytes(b"PK\x03\x04" + bytes(99)), ["Excel workbook", "CSV"]),
    "an old workbook": ("t.csv", lambda p: p.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(99)), ["Excel workbook"]),
    "Parquet as text": ("t.csv", frame(a=N), ["Parquet", ".parquet"]),
    "gzip as text": ("t.csv", lambda p: p.write_bytes(gzip.compress(b"a,y\n")), ["gzip", ".csv.gz"]),
    "text as gzip": ("t.csv.gz", lambda p: p.write_bytes(b"a,y\n1,2\n"), ["cannot be read", "gzip"]),
    "a folder": ("t.csv", lambda p: p.mkdir(), ["is a folder"]),
    "infinity": ("t.csv", lambda p: table_of(p, [*N, "inf"]), ["'a'", "line 32", "found inf"]),
    "levels of names": ("t.parquet", levels, ["no target column 'y'", "('y', '')"]),
    "lists": ("t.parquet", parquet(a=[[1.0]] * ROWS), ["'a'", "list<", "`drop`"]),
    "records": ("t.parquet", parquet(a=[{"u": 1}] * ROWS), ["'a'", "struct<", "`drop`"]),
    "moments": ("t.parquet", frame(a=pd.date_range("2020", periods=ROWS)), ["'a'", "datetime64", "`dates`"]),
    "times": ("t.parquet", parquet(a=[datetime.time(1)] * ROWS), ["'a'", "type time", "`drop`"]),
    "durations": ("t.parquet", parquet(a=[datetime.timedelta(1)] * ROWS), ["'a'", "timedelta64", "`drop`"]),
    "bytes": ("t.parquet", parquet(a=[b"u"] * ROWS), ["'a'", "type bytes"]),
    "nothing at all": ("t.parquet", parquet(a=pa.nulls(ROWS)), ["'a'", "no value at all", "`drop`"]),
    "a nullable gap": ("t.parquet", frame(a=pd.array([None, *N[1:]], dtype="Int64")),
                       ["'a'", "row 0 (counted from 0)", "missing"]),
    "Parquet of one name": (
        "t.parquet",
        lambda p: pq.write_table(pa.table([pa.array(N), pa.array(N), pa.array(Y)], names=["a", "a", "y"]), p),
        ["column 'a' occurs twice"],
    ),
    "no columns": ("t.parquet", lambda p: pq.write_table(pa.table({}), p), ["no target column 'y'", "it has: none"]),
    "no rows": ("t.parquet", lambda p: pq.write_table(pa.table({"a": pa.array([], "i8"), "y": pa.array([], "i8")}), p),
                ["found 0 rows"]),
    "text as Parquet": ("t.parquet", lambda p: p.write_bytes(b"a,y\n1,2\n"), ["cannot be read", "Parquet"]),
    "objects": ("t.npz", arrays(X=np.array([[{}]] * ROWS), y=Y), ["array 'X'", "Python objects", "astype"]),
    "arrays of records": ("t.npz", arrays(X=np.zeros(ROWS, [("a", "f4")]), y=Y), ["array 'X'", "numbers"]),
    "complex numbers": ("t.npz", arrays(X=X * 1j, y=Y), ["array 'X'", "complex128", "numbers"]),
    "long doubles": ("t.npz", arrays(X=X.astype(np.longdouble), y=Y), ["array 'X'", "float", "numbers"]),
    "bytes in arrays": ("t.npz", arrays(X=X.astype("S"), y=Y), ["array 'X'", "text"]),
    "a gap in an array": ("t.npz", arrays(X=np.where(X == 3, np.nan, X), y=Y), ["'X[:, 1]'", "row 1", "missing value"]),
    "scalars": ("t.npz", arrays(X=1.0, y=Y), ["X [rows, features]", "()"]),
    "no features": ("t.npz", arrays(X=X[:, :0], y=Y), ["no column besides the target"]),
}  # fmt: skip


@pytest.mark.parametrize("name", list(NASTY))
def test_a_nasty_file(tmp_path: Path, name: str) -> None:
    file, write, parts = NASTY[name]
    write(tmp_path / file)
    refused(tmp_path / file, *parts)


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_of(tmp_path / "t.csv", N)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # those who run tests as root may read everything
    refused(path, "cannot be read", "Permission denied")
    monkeypatch.setattr(Path, "is_file", refuse)
    refused(path, "cannot be read", "Permission denied")


SAME = {
    "a byte order mark": ("t.csv", lambda p: table_of(p, N, encoding="utf-8-sig")),
    "the line ends of Windows": ("t.csv", lambda p: p.write_bytes(table_of(p, N).read_bytes().replace(b"\n", b"\r\n"))),
    "nullable": ("t.parquet", frame(a=pd.array(N, dtype="Int64"), b=[row % 3 for row in N])),
    "nullable floats": ("t.parquet", frame(a=pd.array(N, dtype="Float64"), b=[row % 3 for row in N])),
    "decimals": ("t.parquet", parquet(a=[Decimal(row) for row in N], b=[row % 3 for row in N])),
    "categories": ("t.parquet", frame(a=N, b=pd.Categorical([row % 3 for row in N]))),
    "half floats": ("t.parquet", parquet(a=np.array(N, "f2"), b=[row % 3 for row in N])),
    "numbers as text": ("t.parquet", frame(a=[str(row) for row in N], b=[row % 3 for row in N])),
    "an index with the table": ("t.parquet", lambda p: pd.DataFrame(
        {"a": N, "b": [row % 3 for row in N], "y": Y}, index=pd.Index(N, name="i")).to_parquet(p)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(SAME))
def test_the_same_table_in_another_form(tmp_path: Path, name: str) -> None:
    file, write = SAME[name]
    write(tmp_path / file)
    assert own(tmp_path / file).digest == own(table_of(tmp_path / "plain.csv", N)).digest


@pytest.mark.parametrize("file", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet", "t.npz"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, file: str, data: st.DataObject) -> None:
    path = tmp_path / file
    if not (tmp_path / "whole").exists():
        table = pd.DataFrame({"a": N, "t": ["u", "v", "w"] * 10, "x": np.linspace(0, 1, ROWS), "y": Y})
        if file.endswith("parquet"):
            table.to_parquet(path)
        elif file.endswith("npz"):
            np.savez_compressed(path, X=X, y=Y)
        else:
            table.to_csv(path, index=False, sep="\t" if "tsv" in file else ",")
        (tmp_path / "whole").write_bytes(path.read_bytes())
    damaged = bytearray((tmp_path / "whole").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(damaged)
    try:
        own(path, missing=data.draw(st.sampled_from(["refuse", "drop_rows", "mean"])))
    except TaskError as error:
        told_of = str(error)
        assert len(told_of.splitlines()) == 1


# What is said of a table.


def test_what_is_said_of_a_classification(tmp_path: Path) -> None:
    bunch: Any = datasets.load_wine(as_frame=True)
    bunch.frame.assign(one=1, few=lambda f: f.index % 4, two=lambda f: f.index % 2).to_csv(
        tmp_path / "t.csv", index=False
    )
    task = own(tmp_path / "t.csv", target="target")
    assert list(lines("wine", told(task))) == [
        "wine: 178 rows, 18 inputs: 13 columns scaled to [0, 1], 1 column of two values, 4 of 1 one-hot column; "
        "columns of one value dropped: one",
        "wine: classification, 3 outputs, 3 classes: '1' 39.9%, '0' 33.1%, '2' 27.0%",
    ]
    assert told(task)["classes"] == {"1": 71, "0": 59, "2": 48}
    assert told(task)["target_range"] is None


def test_what_is_said_of_a_regression(tmp_path: Path) -> None:
    bunch: Any = datasets.load_diabetes(as_frame=True, scaled=False)
    bunch.frame.to_csv(tmp_path / "t.csv", index=False)
    task = own(tmp_path / "t.csv", target="target", kind="regression")
    assert list(lines("sugar", told(task))) == [
        "sugar: 442 rows, 10 inputs: 9 columns scaled to [0, 1], 1 column of two values",
        "sugar: regression, 1 output: a target from 25 to 346, scaled to [0, 1]",
    ]
    assert (task.target_minimum, task.target_range) == (25.0, 321.0)


def test_of_many_classes_the_most_frequent_and_the_rarest_are_named(tmp_path: Path) -> None:
    task = own(table_of(tmp_path / "t.csv", [int(row**0.8) for row in range(40)]), target="a")
    _, line = lines("mine", told(task))
    assert line.startswith("mine: classification, 19 outputs, 19 classes: '")
    assert line.count("%") == 5
    assert ", ..., " in line


def test_a_task_is_frozen_and_strict() -> None:
    task = UserTask(path=Path("t.csv"), target="y", kind="regression", drop="a", missing_values=[-9, "?"])
    assert (task.drop, task.missing_values) == (("a",), ("-9", "?"))
    with pytest.raises(SearchSpaceError, match=r"UserTask: missing_values\[0\]: input should be a valid string"):
        UserTask(path=Path("t.csv"), target="y", kind="regression", missing_values=[None])  # pyright: ignore
    with pytest.raises(AttributeError, match="target cannot be changed; make another UserTask"):
        task.target = "z"  # pyright: ignore
