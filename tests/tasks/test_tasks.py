"""Tasks: finding a table by name, reading it, preparing its columns, and what is said when that cannot be done."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from survey.errors import TaskError
from survey.tasks import catalog, loading, sources
from survey.tasks.catalog import BUNDLED, PUBLISHED
from survey.tasks.loading import describe, fetch, load
from survey.tasks.names import canonical_name, check_name, known_names
from survey.tasks.own import UserTask
from survey.tasks.prepare import prepare
from survey.tasks.prepared import PreparedTask
from survey.tasks.table import Table
from tests.support.paths import PMLB

DIGITS_DIGEST = "f5a5fd2d04af662664319abac4ead2d9e09f5c6782d42f0232be5fed8aea8c11"


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of tables, a cache of its own, and a server that refuses every connection."""
    monkeypatch.delenv("SURVEY_PMLB_DIR", raising=False)
    monkeypatch.setenv("SURVEY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(sources, "PMLB_URL", "http://127.0.0.1:9/datasets")
    loading._load.cache_clear()


def table(inputs: dict, target: list) -> Table:
    return Table("t", pd.DataFrame(inputs), pd.Series(target, name="y"), lambda row: f"line {row + 2}")


def inputs_of(values: list) -> list[list[float]]:
    """The prepared inputs of a table with this one input column."""
    return prepare(
        table({"x": values}, [0, 1] * (len(values) // 2) + [0] * (len(values) % 2)), "regression"
    ).inputs.tolist()


def targets_of(values: list, kind: str) -> np.ndarray:
    return prepare(table({"x": list(range(len(values)))}, values), kind).targets  # pyright: ignore[reportArgumentType]


@contextmanager
def refused(*parts: str) -> Iterator[None]:
    """Something is refused with one line that has all these parts."""
    with pytest.raises(TaskError) as error:
        yield
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, f"{part!r} is not in {message!r}"


# Preparation: a rule, a test.


def test_one_value_is_dropped() -> None:
    task = prepare(table({"a": [7] * 5, "b": ["x"] * 5, "c": [1, 2, 1, 2, 1]}, [0, 1, 0, 1, 1]), "regression")
    assert task.inputs.tolist() == [[1], [0], [1], [0], [1]]


@pytest.mark.parametrize(
    "values", [[5, 3, 5, 3, 3], ["no", "yes", "no", "yes", "yes"], [True, False, True, False, False]]
)
def test_two_values_are_one_where_equal_to_the_first_row(values: list) -> None:
    assert inputs_of(values) == [[1], [0], [1], [0], [0]]


def test_few_numbers_are_one_hot_in_numeric_order() -> None:
    assert inputs_of([10, 9, -1, 9, 10, 10]) == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_strings_are_one_hot_in_string_order() -> None:
    assert inputs_of(["b10", "b9", "A", "b9", "b10"]) == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_numbers_written_as_strings_are_numbers() -> None:
    assert inputs_of(["10", "9", "1", "9", "10"]) == inputs_of([10, 9, 1, 9, 10])


def test_twenty_numbers_are_one_hot_and_twenty_one_are_scaled() -> None:
    assert np.array_equal(inputs_of(list(range(20))), np.eye(20))
    assert np.allclose(inputs_of(list(range(-5, 16))), np.linspace(0, 1, 21)[:, np.newaxis])


def test_many_strings_are_one_hot() -> None:
    assert np.array_equal(inputs_of([f"s{index:02}" for index in range(30)]), np.eye(30))


def test_columns_keep_their_order() -> None:
    task = prepare(table({"a": [1, 2, 3, 1, 1], "b": [0, 1, 0, 1, 1]}, [0, 1, 0, 1, 1]), "classification")
    assert task.inputs.tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0]]


def test_two_classes_are_one_column() -> None:
    assert targets_of(["b", "a", "b", "a", "a"], "classification").tolist() == [[1], [0], [1], [0], [0]]


def test_classes_are_one_hot_whatever_their_number() -> None:
    assert np.array_equal(targets_of([2, 0, 1, 1, 1], "classification"), np.eye(3)[[2, 0, 1, 1, 1]])
    assert np.array_equal(targets_of(list(range(30)), "classification"), np.eye(30))


def test_a_regression_target_follows_the_rule_of_an_input() -> None:
    assert targets_of([4, 2, 4, 4, 2], "regression").tolist() == [[1], [0], [1], [1], [0]]
    assert np.array_equal(targets_of([1, 2, 3, 4, 5, 7], "regression"), np.eye(6))
    assert np.allclose(targets_of([index * 2.5 - 3 for index in range(41)], "regression")[:, 0], np.linspace(0, 1, 41))


def test_pixels_are_divided_and_none_is_dropped() -> None:
    task = prepare(table({"a": [0] * 5, "b": [0, 255, 51, 0, 0]}, [0, 1, 2, 0, 0]), "classification", 255.0)
    assert np.allclose(task.inputs, [[0, 0], [0, 1], [0, 0.2], [0, 0], [0, 0]])


@pytest.mark.parametrize(("found", "shown"), [(256, "256"), (-1, "-1"), ("black", "'black'")])
def test_what_is_no_pixel(found: object, shown: str) -> None:
    with refused("task 't'", "column 'p7'", "line 4", shown, "expected a"):
        prepare(table({"p7": pd.Series([0, 1, found, 0, 0]).map(str)}, [0, 1, 2, 0, 0]), "classification", 255.0)


@settings(max_examples=50)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=21, max_size=60, unique=True))
def test_scaled_columns_lie_between_0_and_1(values: list[float]) -> None:
    column = np.asarray(inputs_of(values))
    assert column.shape == (len(values), 1)
    assert column.min() == 0
    assert column.max() == 1


# Numbers or texts: a column of both may be refused, as one of numbers with a mistake in it.
@settings(max_examples=50)
@given(
    st.one_of(
        st.lists(values, min_size=5, max_size=40)
        for values in (st.integers(0, 12).map(str), st.text("abc", min_size=1))
    )
)
def test_one_hot_rows_sum_to_1(values: list[str]) -> None:
    assume(len(set(values)) > 2)
    columns = targets_of(values, "classification")
    assert columns.shape == (len(values), len(set(values)))
    assert (columns.sum(axis=1) == 1).all()
    assert ((columns == 0) | (columns == 1)).all()


# Preparation: what cannot be prepared.


@pytest.mark.parametrize(("found", "shown"), [(None, "missing"), (float("nan"), "missing"), (float("-inf"), "-inf")])
@pytest.mark.parametrize("where", ["column 'x'", "target column 'y'"])
def test_missing_and_infinite_values(found: float | None, shown: str, where: str) -> None:
    bad, good = [0.5, 1.5, 2.5, found, 3.5], [1, 2, 3, 4, 5]
    with refused("task 't'", where, "line 5", shown):
        prepare(table({"x": bad}, good) if where == "column 'x'" else table({"x": good}, bad), "regression")


def test_a_string_among_numbers() -> None:
    with refused("column 'width'", "line 22", "'12,5'", "expected a number", "correct the value"):
        prepare(table({"width": [*(str(index) for index in range(20)), "12,5", "?"]}, [0, 1] * 11), "regression")


def test_a_string_among_few_values_is_a_category() -> None:
    assert np.asarray(inputs_of(["1", "2", "?", "1", "2"])).shape == (5, 3)


def test_half_of_the_values_make_a_column_of_numbers() -> None:
    values = [*(str(index) for index in range(11)), *(f"s{index}" for index in range(11))]
    with pytest.raises(TaskError, match="line 13: found 's0'"):
        inputs_of(values)


def test_mostly_strings_are_categories() -> None:
    values = [*(f"s{index}" for index in range(13)), *(str(index) for index in range(12))]
    assert np.asarray(inputs_of(values)).shape == (25, 25)


def test_an_identifier() -> None:
    with refused("column 'x'", "1001 categories", "identifier", "leave the column out"):
        inputs_of([f"id{index}" for index in range(1001)])


@pytest.mark.parametrize(
    ("values", "kind", "parts"),
    [
        (list(range(1001)), "classification", ["target column 'y'", "1001 classes", "regression"]),
        ([3] * 6, "classification", ["target column 'y'", "found 3.0 in all rows", "expected at least two"]),
        ([3] * 6, "regression", ["target column 'y'", "found 3.0 in all rows", "expected at least two"]),
        (
            [f"s{index:02}" for index in range(21)],
            "regression",
            ["target column 'y'", "21 different strings", "'s00'", "expected numbers", "classification"],
        ),
        ([0, 1, 0, 1], "classification", ["found 4 rows", "at least 5"]),
    ],
)
def test_targets_that_cannot_be_learned(values: list, kind: str, parts: list[str]) -> None:
    with refused(*parts):
        targets_of(values, kind)


def test_no_usable_column() -> None:
    for inputs in ({"a": [1] * 6, "b": ["x"] * 6}, {}):
        with refused("no usable input column", "expected at least one column that varies"):
            prepare(Table("t", pd.DataFrame(inputs, index=range(6)), pd.Series([0, 1] * 3), str), "regression")


def test_a_column_of_dates() -> None:
    with refused("column 'day'", "datetime64", "expected numbers or strings"):
        prepare(table({"day": list(pd.date_range("2020-01-01", periods=6))}, [0, 1] * 3), "regression")


# The prepared task.


def prepared(kind: str = "classification", outputs: int = 1, name: str = "n", first: float = 0.5) -> PreparedTask:
    inputs = np.full((4, 3), 0.5)
    inputs[0, 0] = first
    return PreparedTask(name, kind, inputs, np.ones((4, outputs)))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("kind", "outputs", "activation", "loss"),
    [
        ("classification", 1, "sigmoid", "binary_crossentropy"),
        ("classification", 3, "softmax", "categorical_crossentropy"),
        ("regression", 1, "sigmoid", "mean_squared_error"),
        ("regression", 6, "sigmoid", "mean_squared_error"),
    ],
)
def test_activation_and_loss(kind: str, outputs: int, activation: str, loss: str) -> None:
    task = prepared(kind, outputs)
    assert (task.output_activation, task.loss) == (activation, loss)
    assert (task.num_rows, task.num_inputs, task.num_outputs) == (4, 3, outputs)


def test_arrays_are_float32_contiguous_and_read_only() -> None:
    own = np.asfortranarray(np.ones((4, 3), dtype=np.float32))
    task = PreparedTask("n", "regression", own, own[:, :1])
    for array in (task.inputs, task.targets):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
    own[0, 0] = 2  # the caller's array is left as it was


def test_the_digest_is_of_the_content_and_not_of_the_name() -> None:
    assert prepared().digest == prepared(name="m").digest
    others = {prepared().digest, prepared("regression").digest, prepared(outputs=2).digest, prepared(first=0.25).digest}
    assert len(others) == 4


def test_inputs_and_targets_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(4, 3\) and \(5, 1\)"):
        PreparedTask("n", "regression", np.ones((4, 3)), np.ones((5, 1)))


# Known tasks.


def test_the_catalog_is_the_published_table() -> None:
    assert len(PUBLISHED) == 13
    assert all(len(bytes.fromhex(task.sha256)) == 32 for task in PUBLISHED.values())
    assert {name for name, task in PUBLISHED.items() if task.num_inputs is None} == {"sleep", "adult", "splice"}
    assert known_names() == (*PUBLISHED, *BUNDLED)


@pytest.mark.parametrize("name", list(BUNDLED))
def test_bundled_sets_are_as_the_catalog_says(name: str) -> None:
    known, task = BUNDLED[name], load(name)
    assert (task.kind, task.num_rows, task.num_inputs, task.num_outputs) == (
        known.kind,
        known.rows,
        known.num_inputs,
        known.num_outputs,
    )
    assert describe(name).num_inputs == task.num_inputs
    assert fetch(name) is None


def test_digits_stay_as_they_are() -> None:
    task = load("sklearn:digits")
    assert task.digest == DIGITS_DIGEST
    assert set(np.unique(task.inputs * 16)) == set(range(17))


@pytest.mark.parametrize("name", ["wine_quality_white", "537_houses", "nursery"])
def test_published_tables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not PMLB.is_dir():
        pytest.skip(f"no tables in {PMLB}")
    monkeypatch.setenv("SURVEY_PMLB_DIR", str(PMLB))
    known, task = PUBLISHED[name], load(name)
    assert task.name == name
    assert (task.kind, task.num_rows) == (known.kind, known.rows)
    assert (task.num_inputs, task.num_outputs) == (known.num_inputs, known.num_outputs)
    assert task.inputs.min() == 0
    assert task.inputs.max() == 1


def test_describe_needs_no_data_where_the_catalog_suffices() -> None:
    about = describe("pmlb:connect_4")
    assert (about.name, about.kind, about.rows) == ("connect_4", "classification", 67557)
    assert (about.num_inputs, about.num_outputs, about.guessed) == (126, 3, False)
    with refused("task 'adult'", "was not found"):
        describe("adult")


# Names.


def test_canonical_names() -> None:
    assert [canonical_name(name) for name in ("pmlb:adult", "adult", "sklearn:iris")] == [
        "adult",
        "adult",
        "sklearn:iris",
    ]


def test_names_that_mean_something() -> None:
    for name in (*known_names(), "pmlb:adult", "pmlb:1027_ESL", "mine"):
        check_name(name, ["mine"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nurserie", "did you mean 'nursery'?"),
        ("iris", "did you mean 'sklearn:iris'?"),
        ("sklearn:digit", "did you mean 'sklearn:digits'?"),
        ("mein", "did you mean 'mine'?"),
        ("1027_ESL", "'pmlb:1027_ESL'"),
        ("uci:x", "'pmlb:NAME'"),
    ],
)
def test_names_that_mean_nothing(name: str, hint: str) -> None:
    with refused(f"unknown task {name!r}", hint, "expected one of 201_pol, ", "sklearn:diabetes, mine", "`tasks`"):
        check_name(name, ["mine"])
    with pytest.raises(TaskError):
        load(name)


@pytest.mark.parametrize("name", ["pmlb:", "pmlb:../x", "pmlb:a/b", "pmlb:.x", "pmlb:sklearn:iris"])
def test_names_that_lead_elsewhere(name: str) -> None:
    with refused(f"task {name!r}", "cannot be the name of a table of PMLB"):
        load(name)


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ("mnist", "a published task"),
        ("digits", "scikit-learn, sklearn:digits"),
        ("sklearn:x", "no ':'"),
        ("a/b", "no '/'"),
        (" ", "not empty"),
    ],
)
def test_names_that_a_task_of_your_own_may_not_have(own: str, why: str) -> None:
    user_tasks = {own: UserTask(path=Path("t.csv"), target="y", kind="regression")}
    for name in ("adult", own):
        with refused(f"task of your own {own!r}", why):
            load(name, user_tasks)


def test_a_name_of_your_own_that_is_also_asked_for_from_pmlb() -> None:
    with refused("'pmlb:mine'", "another name"):
        check_name("pmlb:mine", ["mine"])


# Tasks of the user's own.

FRAME = pd.DataFrame(
    {"a": [1.5, 2.5, 3.5, 1.5, 2.5, 3.5], "b": ["u", "v", "u", "v", "u", "u"], "label": list("xyzxyx")}
)


def own(path: Path, target: str = "label", kind: str = "classification") -> PreparedTask:
    task = UserTask(path=path, target=target, kind=kind)  # pyright: ignore[reportArgumentType]
    return load("mine", {"mine": task})


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("file", ["t.csv", "t.csv.gz", "t.tsv", "T.TSV.GZ", "t.parquet"])
def test_every_format_reads_the_same(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    if file.endswith("parquet"):
        FRAME.to_parquet(path)
    else:
        compression = "gzip" if file.lower().endswith("gz") else None
        FRAME.to_csv(path, sep="\t" if "tsv" in file.lower() else ",", index=False, compression=compression)
    task = own(path)
    assert task.name == "mine"
    assert task.inputs.tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1]]
    assert np.array_equal(task.targets, np.eye(3)[[0, 1, 2, 0, 1, 0]])
    about = describe("mine", {"mine": UserTask(path=path, target="label", kind="classification")})
    assert (about.rows, about.num_inputs, about.num_outputs, about.guessed) == (6, 4, 3, False)


@pytest.mark.parametrize("key", ["X", "pictures"])
def test_arrays(tmp_path: Path, key: str) -> None:
    x = np.arange(12.0).reshape(6, 2)
    np.savez(tmp_path / "t.npz", **{key: x, "label": np.array([0, 1, 0, 1, 1, 1])})
    task = own(tmp_path / "t.npz")
    assert np.array_equal(task.inputs, np.concatenate([np.eye(6), np.eye(6)], axis=1))
    assert task.targets[:, 0].tolist() == [1, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("arrays", "parts"),
    [
        ({"X": np.ones((5, 2)), "y": np.ones(5)}, ["no target array 'label'", "X, y"]),
        ({"A": np.ones((5, 2)), "B": np.ones(5), "label": np.ones(5)}, ["expected the inputs as array 'X'", "A, B"]),
        ({"X": np.ones(5), "label": np.ones(5)}, ["X [rows, features]", "(5,)"]),
        ({"X": np.ones((5, 2)), "label": np.ones(6)}, ["(5, 2) and (6,)"]),
        ({"X": np.array([[{}]] * 5), "label": np.ones(5)}, ["cannot be read"]),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict, parts: list[str]) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    with refused("task 'mine'", "t.npz", *parts):
        own(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("file", "content", "parts"),
    [
        ("none.csv", None, ["does not exist", ".parquet"]),
        ("t.xlsx", b"PK", ["unsupported format", ".csv, .csv.gz"]),
        ("t.csv", b"", ["is empty", "expected a header"]),
        ("t.csv", b"a,label\n", ["found 0 rows"]),
        ("t.csv", b"a,lable\n1,2\n", ["no target column 'label'", "did you mean 'lable'?", "it has: a, lable"]),
        ("t.csv", b"a,label\n1,2\n1,2,3\n", ["cannot be read", "line 3"]),
        ("t.csv.gz", gzip.compress(b"a,label\n1,2\n" * 50, mtime=0)[:-9], ["cannot be read"]),
        ("t.parquet", b"PAR1 and no more", ["cannot be read"]),
        ("t.npz", b"\x93NUMPY of another kind", ["cannot be read", "not an .npz archive"]),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, file: str, content: bytes | None, parts: list[str]) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with refused("task 'mine'", *parts):
        own(tmp_path / file)


def test_a_message_names_the_line_of_the_file(tmp_path: Path) -> None:
    text = 'note,label\n"two\nlines",1\n\nthree,2\nfour,1\n,2\nfive,1\n'
    with refused("column 'note'", "line 7", "missing value"):
        own(written(tmp_path / "t.csv", text))


@pytest.mark.parametrize("cell", ["", "NA", "nan", "null"])
def test_cells_that_mean_missing(tmp_path: Path, cell: str) -> None:
    with refused("column 'a'", "line 4", "missing value"):
        own(written(tmp_path / "t.csv", f"a,label\nx,1\ny,2\n{cell},1\nx,2\ny,1\n"))


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,label\n1,0\n2,1\n3,0\n1,1\n2,1\n")
    first = own(path)
    assert own(path) is first
    written(path, "a,label\n1,0\n2,1\n3,0\n1,1\n2,0\n")
    os.utime(path, (1, 1))
    second = own(path)
    assert second.digest != first.digest
    assert own(path, kind="regression").digest != second.digest


# PMLB: folder, cache, network.

TEXT = "a\tb\ttarget\n" + "".join(f"{row}\t{row % 3}\t{row % 4}\n" for row in range(30))


def packed(text: str = TEXT) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def placed(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class Server:
    """A stand-in for the public repository: the same content for every address."""

    def __init__(self) -> None:
        self.content, self.status, self.asked = packed(), 200, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setattr(sources, "PMLB_URL", f"http://127.0.0.1:{server.http.server_port}/datasets")
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def publish(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> None:
    """Make `content` the published table."""
    monkeypatch.setitem(catalog._SHA256, name, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("layout", ["{0}/{0}.tsv.gz", "datasets/{0}/{0}.tsv.gz"])
def test_a_folder_of_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    path = placed(tmp_path / layout.format("made_up"), packed())
    monkeypatch.setenv("SURVEY_PMLB_DIR", str(tmp_path))
    task = load("pmlb:made_up")
    assert (task.name, task.kind, task.num_inputs, task.num_outputs) == ("made_up", "classification", 4, 4)
    # What `pmlb:made_up` is called in results means the same, as long as the table is at hand.
    assert load("made_up") is task
    assert fetch("made_up") == path
    assert describe("pmlb:made_up").guessed


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        ([row % 20 for row in range(40)], "classification"),
        ([row % 21 for row in range(42)], "regression"),
        ([row % 4 + 0.5 for row in range(40)], "regression"),
        (["yes", "no"] * 20, "classification"),
    ],
)
def test_the_kind_of_a_table_without_a_published_one_is_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, targets: list, kind: str
) -> None:
    text = "a\ttarget\n" + "".join(f"{row}\t{target}\n" for row, target in enumerate(targets))
    placed(tmp_path / "made_up/made_up.tsv.gz", packed(text))
    monkeypatch.setenv("SURVEY_PMLB_DIR", str(tmp_path))
    about = describe("pmlb:made_up")
    assert (about.kind, about.guessed) == (kind, True)


def test_a_stand_in_of_other_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = placed(tmp_path / "nursery/nursery.tsv.gz", packed())
    monkeypatch.setenv("SURVEY_PMLB_DIR", str(tmp_path))
    with refused("task 'nursery'", str(path), "4 inputs and 4 outputs", "26 and 4", "SURVEY_PMLB_DIR"):
        load("nursery")
    publish(monkeypatch, "nursery", packed())
    assert load("nursery").num_inputs == 4


def test_a_git_lfs_pointer_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(tmp_path / "adult/adult.tsv.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    monkeypatch.setenv("SURVEY_PMLB_DIR", str(tmp_path))
    with refused("task 'adult'", "Git LFS pointer", "git lfs pull"):
        load("adult")


def test_fetched_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    publish(monkeypatch, "nursery", packed())
    path = fetch("pmlb:nursery")
    assert path == tmp_path / "cache/pmlb/nursery/nursery.tsv.gz"
    assert path.read_bytes() == packed()
    assert server.asked == ["/datasets/nursery/nursery.tsv.gz"]
    assert load("nursery").num_rows == 30
    assert fetch("nursery") == path
    assert len(server.asked) == 1
    # The cache has the layout of PMLB, so that it can be handed on as a folder of tables.
    monkeypatch.setenv("SURVEY_PMLB_DIR", str(tmp_path / "cache/pmlb"))
    assert fetch("nursery") == path


def test_a_damaged_file_in_the_cache_is_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    publish(monkeypatch, "nursery", packed())
    path = placed(tmp_path / "cache/pmlb/nursery/nursery.tsv.gz", packed()[:-5])
    assert fetch("nursery") == path
    assert path.read_bytes() == packed()
    assert len(server.asked) == 1


def test_another_data_set_of_pmlb(server: Server) -> None:
    assert load("pmlb:made_up").num_outputs == 4
    assert load("made_up").num_outputs == 4
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("name", "content", "status", "reason"),
    [
        ("nursery", packed(), 200, "does not match the known hash"),
        ("nursery", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 200, "a Git LFS pointer"),
        ("pmlb:made_up", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 200, "a Git LFS pointer"),
        ("pmlb:made_up", b"<html>Log in</html>", 200, "not a gzip file"),
        ("pmlb:made_up", b"", 404, "the server answered 404"),
    ],
)
def test_what_the_server_sends_is_wrong(
    tmp_path: Path, server: Server, name: str, content: bytes, status: int, reason: str
) -> None:
    server.content, server.status = content, status
    with refused(f"task {canonical_name(name)!r}", str(tmp_path / "cache/pmlb"), sources.PMLB_URL, reason):
        load(name)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURVEY_PMLB_DIR", str(tmp_path / "tables"))
    with refused(
        "task 'mnist': its table was not found",
        f"SURVEY_PMLB_DIR ({tmp_path / 'tables'})",
        f"the cache {tmp_path / 'cache/pmlb'}",
        "http://127.0.0.1:9/datasets/mnist/mnist.tsv.gz: no connection to the server",
        "with mnist/mnist.tsv.gz",
        "`survey fetch`",
        "SURVEY_CACHE_DIR",
    ):
        fetch("mnist")
    monkeypatch.delenv("SURVEY_PMLB_DIR")
    with pytest.raises(TaskError, match=r"SURVEY_PMLB_DIR \(not set\)"):
        fetch("mnist")


def test_a_silent_server(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(sources, "TIMEOUT_S", 0.2)
    server.http.shutdown()
    with refused("no answer within 0.2 s"):
        fetch("mnist")


def test_a_cache_that_cannot_be_written(tmp_path: Path, server: Server) -> None:
    placed(tmp_path / "cache", b"a file where the folder should be")
    with refused("task 'mnist'", str(tmp_path / "cache")):
        fetch("mnist")


def test_the_import_is_light() -> None:
    heavy = "{'pandas', 'sklearn', 'pooch', 'requests', 'numpy', 'torch', 'pyarrow'}"
    code = f"from survey.tasks.loading import describe; describe('mnist'); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", "import sys; " + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
