"""Reading data sets from folders and from object stores: what is asked of them, and what is said when it fails."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from analysis import curves, read, read_batches
from analysis.figures.panels import panels
from analysis.reading.filters import Condition
from analysis.reading.partitions import partition_files
from analysis.reading.tables import schema_of, tables
from analysis.report.page import write_report
from survey.dataset.schema import repetition_schema
from survey.errors import ExportError, InputError
from survey.networks.columns import COLUMNS
from tests.support.analysis_data import SWEEPS, as_published, bowl, experiment, write_data_set, write_table
from tests.support.s3_server import S3

SIZES = [2**k for k in range(8, 13)]
TABLES = sorted(
    ["all_repetitions", "complete_executive_summary", "complete_summary", *(f"{s}_summary" for s in SWEEPS)]
)


def _experiments() -> list[dict]:
    penalty = {"kernel_regularizer.type": "l1", "kernel_regularizer.l1": 0.01, "learning_rate": 1e-3}
    return [
        *(experiment("sklearn:digits", shape, 3, s, bowl(0.1, 10, 20)) for shape in ("a", "b") for s in SIZES),
        *(experiment("537_houses", "a", 3, s, bowl(0.02, 9, 10), task="regression") for s in SIZES),
        *(experiment("nursery", "a", 2, s, bowl(0.3, 9, 10), **penalty) for s in SIZES),
    ]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set as the published one is: uint32 ids, tensorflow_version, no columns of ours."""
    return write_data_set(tmp_path_factory.mktemp("published") / "butter", _experiments(), schema_of=as_published)


@pytest.fixture(scope="module")
def server(published: Path) -> Iterator[S3]:
    server = S3()
    files = [file for file in published.rglob("*") if file.is_file()]
    server.put("lake", {str(file.relative_to(published.parent)): file.read_bytes() for file in files})
    server.put("private", {"butter/complete_summary/_common_metadata": b"PAR1"}, "private")
    yield server
    server.stop()


@pytest.fixture
def store(server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    server.requests.clear()
    return server


URL = "s3://lake/butter"


# The published layout


def test_the_published_layout(published: Path) -> None:
    frame = read(published)
    assert len(frame) == 20
    assert str(frame["experiment_id"].dtype) == "uint32"
    assert "momentum" not in frame.columns
    runs = read(published, table="all_repetitions", filters=[("dataset", "=", "nursery")])
    assert set(runs["tensorflow_version"]) == {"2.8.0"}
    assert [len(panel.frame) for panel in panels(read(published, SWEEPS[1]))] == [5]
    assert list(curves(frame, ["test_loss_median"], log_spaced=4)["epoch"]) == [1, 4, 15, 60] * 20


@pytest.mark.usefixtures("without_pictures")
def test_a_report_on_the_published_layout(tmp_path: Path) -> None:
    path = write_data_set(tmp_path / "butter", _experiments()[:2], schema_of=as_published)
    assert "TensorFlow 2.8.0" in write_report(path, tmp_path / "report").read_text()


@pytest.mark.parametrize("underscores", [True, False])
def test_both_spellings_of_the_regularizer(tmp_path: Path, underscores: bool) -> None:
    spelt = partial(as_published, underscores=underscores)
    path = write_data_set(tmp_path / "dataset", _experiments(), schema_of=spelt)
    assert ("kernel_regularizer_l1" in schema_of(path).names) == underscores
    for name in ("kernel_regularizer.l1", "kernel_regularizer_l1"):
        found = read(path, filters=[(name, "=", 0.01)], columns=[name, "kernel_regularizer_type"])
        assert list(found.columns) == ["kernel_regularizer.l1", "kernel_regularizer.type"]
        assert list(found["kernel_regularizer.type"]) == ["l1"] * 5
    assert len(read(path, filters=[("kernel_regularizer_type", "=", None)])) == 15
    assert panels(read(path, filters=[("dataset", "=", "nursery")]))[0].title == "a, depth 2"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as `published` in our own layout."""
    return write_data_set(tmp_path_factory.mktemp("ours") / "dataset", _experiments())


@pytest.mark.parametrize("layout", ["published", "ours"])
@pytest.mark.parametrize(
    ("table", "spelt", "other"),
    [
        ("all_repetitions", "val_loss", "test_loss"),
        ("complete_summary", "test_loss_median", "val_loss_median"),
        ("complete_summary", "test_loss_min_value_median", "val_loss_min_value_median"),
        (f"{SWEEPS[0]}_summary", "test_loss_q1", "val_loss_q1"),
    ],
)
def test_columns_of_the_test_set_have_two_names(
    layout: str, table: str, spelt: str, other: str, request: pytest.FixtureRequest
) -> None:
    """The published runs say `val_`, the published summaries `test_`: one is asked for as the other, and named so."""
    path = request.getfixturevalue(layout)
    assert spelt in schema_of(path, table).names
    assert other not in schema_of(path, table).names
    expected = read(path, table=table, columns=["experiment_id", spelt])
    found = read(path, table=table, columns=[other, "experiment_id", spelt])
    assert list(found.columns) == [other, "experiment_id", spelt]
    pd.testing.assert_frame_equal(found[["experiment_id", spelt]], expected)
    for one, same in zip(found[other], expected[spelt], strict=True):
        np.testing.assert_array_equal(one, same)
    (batch,) = read_batches(path, table=table, columns=[other])
    assert list(batch.columns) == [other]
    assert len(curves(found, [other], [1, 2])) if isinstance(found[other][0], np.ndarray) else True


@pytest.mark.parametrize("layout", ["published", "ours"])
def test_filters_take_both_names_of_the_test_set(layout: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(layout)
    for name in ("test_loss_min_value_median", "val_loss_min_value_median"):
        found = read(path, filters=[(name, "<", 0.05)], columns=["dataset", name])
        assert set(found["dataset"]) == {"537_houses"}
        assert (found[name] < 0.05).all()


def test_a_name_of_the_test_set_is_kept_in_the_unit_of_the_target(tmp_path: Path) -> None:
    houses = [experiment("537_houses", "a", 3, s, bowl(0.02, 9, 10), task="regression") for s in SIZES]
    path = write_data_set(tmp_path / "dataset", [{**each, "target_range": 10.0} for each in houses])
    for one, other in (("val_loss_median", "test_loss_median"), ("val_loss_min_value_q1", "test_loss_min_value_q1")):
        scaled, turned = (read(path, columns=[one, other], units=units) for units in ("scaled", "target"))
        assert list(turned.columns) == [one, other]
        for name in (one, other):
            np.testing.assert_allclose(np.stack(turned[name]), 100 * np.stack(scaled[name]).astype(float), rtol=1e-6)


@pytest.mark.parametrize("name", ["test_nothing", "val_split", "val_split_method", "validation_los"])
def test_no_other_name_is_taken_for_one_of_the_test_set(name: str, ours: Path) -> None:
    with pytest.raises(InputError, match=f"'{name}' is not in the table"):
        read(ours, columns=[name], table="all_repetitions")


# Object stores


def test_a_store_gives_what_the_folder_gives(store: S3, published: Path) -> None:
    assert tables(URL) == tables(published) == TABLES
    assert schema_of(URL) == schema_of(published)
    pd.testing.assert_frame_equal(read(URL), read(published))
    pd.testing.assert_frame_equal(read(Path(URL)), read(published))
    filters = [("learning_rate", "=", 1e-3), ("shape", "=", "a")]
    columns = ["dataset", "size", "val_loss"]
    expected = read(published, filters=filters, columns=columns, table="all_repetitions")
    pd.testing.assert_frame_equal(read(URL, None, filters, columns, table="all_repetitions"), expected)
    assert len(expected) == 15
    assert {authorization for _, _, authorization in store.requests} == {None}


def test_a_store_is_asked_for_no_more_than_is_needed(store: S3) -> None:
    assert len(read(URL, filters=[("dataset", "in", ["537_houses", "nursery"])], columns=["size"])) == 10
    asked = [path for method, path, _ in store.requests if method == "GET"]
    assert [path for path in asked if "537_houses" in path]
    assert [path for path in asked if "digits" in path] == []
    assert [path for path in asked if "all_repetitions" in path] == []
    assert len(store.requests) < 20


def test_credentials_come_from_the_environment(store: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert len(read(URL, columns=["size"])) == 20
    assert {authorization and authorization.split("/")[0] for *_, authorization in store.requests} == {
        "AWS4-HMAC-SHA256 Credential=someone"
    }


@pytest.mark.parametrize(
    ("url", "arguments", "message"),
    [
        (
            "s3://lake/butter",
            {"table": "complete_sumary"},
            "no table 'complete_sumary' (did you mean 'complete_summary'",
        ),
        ("s3://lake/butter", {"sweep": "primary_sweep"}, "there are all_repetitions, complete_executive_summary"),
        ("s3://lake/butter", {"sweep": "all_repetitions"}, "is a table, not a search space; pass table='all_rep"),
        ("s3://lake/buter", {}, "s3://lake/buter: no such folder; expected the folder of a data set"),
        ("s3://lake", {}, "not a data set: no table with a _common_metadata file in it; found butter"),
        ("s3://puddle/butter", {}, "no such"),
        ("s3://private/butter", {}, "refuses access"),
        ("s3://", {}, "no bucket is named; expected s3://BUCKET/FOLDER"),
        ("gs://lake/butter", {}, "scheme 'gs' is unknown"),
        ("s3://lake/butter", {"columns": ["test_los_median"]}, "did you mean 'test_loss_median'"),
    ],
)
def test_what_is_said_of_a_bad_url(store: S3, url: str, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read(url, **arguments)


def test_a_damaged_file_of_a_store(store: S3, published: Path) -> None:
    metadata = (published / "complete_summary" / "_common_metadata").read_bytes()
    folder = "d/complete_summary"
    files = {f"{folder}/_common_metadata": metadata, f"{folder}/dataset=a/part-0.parquet": b"PAR1 and no more"}
    store.put("damaged", files)
    with pytest.raises(ExportError, match=r"s3://damaged/d/complete_summary: cannot be read"):
        read("s3://damaged/d")


def _away(kind: str) -> tuple[str, socket.socket]:
    """An address where nobody listens, or where nobody answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if kind == "nobody listens":
        listener.close()
    return address, listener


@pytest.mark.parametrize("kind", ["nobody listens", "nobody answers"])
def test_a_store_out_of_reach_is_given_up(kind: str, store: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("survey.dataset.location.REQUEST_TIMEOUT_S", 0.2)
    address, listener = _away(kind)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(InputError, match=r"s3://lake/butter: the object store at 127\.0\.0\.1.* does not answer"):
        read(URL)
    listener.close()


def test_an_address_that_is_none(store: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost")
    with pytest.raises(InputError, match="AWS_ENDPOINT_URL is 'localhost'; expected an address such as http://"):
        read(URL)


def test_a_region_that_cannot_be_looked_up(store: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(bucket: str) -> str:
        raise OSError(f"could not resolve {bucket}")

    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr(fs, "resolve_s3_region", nobody)
    with pytest.raises(InputError, match=r"region of the bucket cannot be looked up .*or set AWS_REGION"):
        read(URL)


# Pruning


@pytest.mark.parametrize(
    ("filters", "listed"),
    [
        ([("dataset", "=", "nursery")], 1),
        ([("dataset", "!=", "nursery"), ("learning_rate", "<", 1)], 3),
        ([("size", "=", 256)], 4),
        ([[("dataset", "=", "nursery")], [("shape", "=", "b")]], 4),
        ([[("dataset", "=", "nursery")], [("dataset", "=", "537_houses"), ("learning_rate", "=", 1e-4)]], 2),
        ([("dataset", "=", "nobody")], 0),
        ([("dataset", "=", "nursery"), ("learning_rate", "=", 1e-4)], 0),
        ([("dataset", ">=", "nursery"), ("kernel_regularizer.type", "=", None)], 3),
    ],
)
def test_folders_that_hold_nothing_are_not_looked_at(published: Path, filters: list, listed: int) -> None:
    whole, found = read(published), read(published, filters=filters)
    root, schema = str(published / "complete_summary"), schema_of(published)
    assert len(partition_files(fs.LocalFileSystem(), root, schema, Condition(filters, schema))) == listed
    alternatives = [filters] if isinstance(filters[0], tuple) else filters
    compare: dict[str, Callable] = {
        "=": lambda a, b: a.isna() if b is None else np.isclose(a, b) if a.dtype.kind == "f" else a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        ">=": lambda a, b: a >= b,
    }
    kept = np.logical_or.reduce(
        [
            np.logical_and.reduce([compare[op](whole[name], value) for name, op, value in terms])
            for terms in alternatives
        ]
    )
    assert list(found["experiment_id"]) == list(whole["experiment_id"][kept])


# Batches


@pytest.mark.parametrize("rows", [1, 7, 60, 1000])
def test_batches_put_together_are_the_table(published: Path, rows: int) -> None:
    batches = list(read_batches(published, table="all_repetitions", rows=rows))
    assert [len(batch) for batch in batches] == [rows] * (60 // rows) + [60 % rows] * (60 % rows > 0)
    whole = read(published, table="all_repetitions")
    pd.testing.assert_frame_equal(pd.concat(batches, ignore_index=True), whole)


def test_batches_of_a_store_and_of_nothing(store: S3, published: Path) -> None:
    asked = {"filters": [("size", ">", 1000)], "columns": ["size", "test_loss_median"]}
    together = pd.concat(read_batches(URL, **asked, rows=5), ignore_index=True)
    pd.testing.assert_frame_equal(together, read(published, **asked))
    assert list(read_batches(published, filters=[("size", "=", 1)])) == []
    with pytest.raises(InputError, match="rows is 0; expected at least 1"):
        next(read_batches(published, rows=0))


WALK = """
import sys
from analysis import read_batches

runs = sum(len(batch) for batch in read_batches(sys.argv[1], table="all_repetitions", rows=100))
peak_kib = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(runs, peak_kib // 1024)
"""


@pytest.mark.scale
def test_a_table_larger_than_memory_is_walked(tmp_path: Path) -> None:
    """480 MB of curves that no compression makes small, in files of one row group, within 300 MB, imports included."""
    schema = repetition_schema(COLUMNS, SWEEPS)
    names = [field.name for field in schema if pa.types.is_list(field.type) and field.name != "widths"]
    described = {k: v for k, v in experiment("a", "b", 3, 256, bowl(0.1, 10, 20)).items() if k != "surface"}
    write_table(tmp_path / "d" / "all_repetitions", [described], schema)
    file = next((tmp_path / "d").rglob("*.parquet"))
    one = pq.ParquetFile(file).read()
    curves = np.random.default_rng(0).random((100, 3000), dtype=np.float32)
    offsets = pa.array(np.arange(0, 300_001, 3000, dtype=np.int32))
    column = pa.ListArray.from_arrays(offsets, curves.ravel())
    rows = one.take(pa.array([0] * 100))
    for name in names:
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), column.cast(rows.schema.field(name).type))
    for number in range(20):
        pq.write_table(rows, file.with_name(f"part-{number}.parquet"), compression="none", use_dictionary=False)
    told = subprocess.run(
        [sys.executable, "-c", WALK, str(tmp_path / "d")], capture_output=True, text=True, check=True
    ).stdout
    runs, peak_mib = map(int, told.split())
    assert runs == 2000
    assert peak_mib < 300
