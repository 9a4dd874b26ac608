"""Reading data sets in the published layout, and the figures and the report that are made from them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.axes import Axes

from analysis import curves, read
from analysis.figures import butter_zone, learning_curves
from analysis.figures.panels import panels
from analysis.figures.zone import MinMax, cap_of, least, relative_loss, zone_value
from analysis.reading.curves import curve_matrix
from analysis.reading.labels import label
from analysis.report.page import write_report
from survey.errors import ExportError, InputError
from survey.workloads.metrics import log_spaced_epochs
from tests.support.analysis_data import DIGITS, SIZES, SWEEPS, bowl, experiment, grid, mixed_data_set, write_data_set


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_data_set(tmp_path_factory.mktemp("survey") / "dataset")


def _frame(tmp_path: Path, experiments: list[dict], repetitions: int = 3) -> pd.DataFrame:
    return read(write_data_set(tmp_path / "dataset", experiments, repetitions))


def _panels(figure) -> dict[str, Axes]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes if ", depth " in axes.get_title(loc="left")}


def _triangles(axes: Axes, gid: str) -> list[tuple[float, float]]:
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines if line.get_gid() == gid]


# Reading


def test_read_gives_what_a_published_reader_gets(dataset: Path) -> None:
    path = dataset / "complete_summary"
    schema = pq.read_schema(path / "_common_metadata")
    filters = [("dataset", "=", DIGITS), ("shape", "=", "rectangle"), ("depth", "=", 3)]
    columns = ["dataset", "depth", "size", "test_loss_median"]
    published = pq.read_table(path, schema=schema, filters=filters, columns=columns).to_pandas()
    pd.testing.assert_frame_equal(read(dataset, filters=filters, columns=columns), published)
    assert len(published) == len(SIZES)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (None, 27),
        ([], 27),
        ([("learning_rate", "=", 1e-3)], 2),
        ([("learning_rate", "in", [1e-3, 1e-4])], 27),
        ([("learning_rate", "<", 1e-3)], 25),
        ([("label_noise", "==", 0.05)], 2),
        ([("kernel_regularizer.type", "=", "l1")], 2),
        ([("kernel_regularizer_l1", "=", 0.01)], 2),
        ([("kernel_regularizer.type", "=", None)], 25),
        ([("kernel_regularizer.type", "!=", None)], 2),
        ([("shape", "not in", ["rectangle"]), ("size", ">=", 1024)], 6),
        ([[("dataset", "=", "nursery")], [("dataset", "=", DIGITS), ("depth", "!=", 2)]], 12),
    ],
)
def test_filters_compare_in_the_type_of_the_column(dataset: Path, filters: list | None, count: int) -> None:
    assert len(read(dataset, filters=filters, columns=["experiment_id"])) == count


def test_read_other_tables(dataset: Path) -> None:
    assert len(read(dataset, table="all_repetitions")) == 3 * 27
    assert "train_loss_median" not in read(dataset, table="complete_executive_summary").columns
    assert len(read(dataset, sweep=SWEEPS[1])) == 12
    assert str(read(dataset, columns=["learning_rate"])["learning_rate"].dtype) == "float32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table": "complete_sumary"}, "did you mean 'complete_summary'"),
        ({"sweep": "none"}, "there are all_repetitions, complete_executive_summary, complete_summary, depth_sweep"),
        ({"columns": ["test_los_median"]}, "did you mean 'test_loss_median'"),
        ({"filters": [("shapes", "=", "rectangle")]}, "did you mean 'shape'"),
        ({"filters": [("shape", "~", "rectangle")]}, "operator '~' is unknown; known are ="),
        ({"filters": [("depth", "=", "three")]}, "depth is a uint8"),
        ({"filters": [("depth", 3)]}, "expected (column, operator, value)"),
        ({"filters": [("widths", "=", [64, 10])]}, "widths holds lists, which only None can be compared with"),
    ],
)
def test_read_says_what_is_wrong(dataset: Path, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read(dataset, **arguments)


def test_read_of_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"not a data set.*notes\.txt"):
        read(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read(tmp_path / "missing")


def test_read_of_a_damaged_file(tmp_path: Path) -> None:
    path = write_data_set(tmp_path / "dataset", grid()[:1])
    next((path / "complete_summary").rglob("*.parquet")).write_bytes(b"PAR1 and nothing more")
    with pytest.raises(ExportError, match="cannot be read"):
        read(path)


# Curves


def test_curves_by_epoch(dataset: Path) -> None:
    frame = read(dataset, filters=[("dataset", "=", DIGITS), ("depth", "=", 2)])
    long = curves(frame, ["test_loss_median", "train_loss_median"], epochs=[20, 1, 61])
    assert list(long["epoch"]) == [1, 20] * len(frame)
    assert "widths" not in long.columns
    assert long["test_loss_median"].dtype == np.float32
    best = long[(long["shape"] == "rectangle") & (long["size"] == 1024) & (long["epoch"] == 20)]
    assert best["test_loss_median"].item() == pytest.approx(0.1)
    assert best["train_loss_median"].item() == pytest.approx(0.08)
    assert len(curves(frame, ["test_loss_q1"])) == 60 * len(frame)
    assert list(curves(frame[:0], ["test_loss_q1"]).columns[-2:]) == ["epoch", "test_loss_q1"]
    with pytest.raises(InputError, match="not a per-epoch column"):
        curves(frame, ["size"])


def test_a_curve_that_some_rows_lack_is_nan_there() -> None:
    """As those of validation sets, which only some experiments have."""
    some = [np.array([3, 4], np.float32), None]
    frame = pd.DataFrame({"name": ["a", "b"], "loss": [np.array([1, 2], np.float32)] * 2, "validation_loss": some})
    found = curves(frame)
    assert list(found["epoch"]) == [1, 2, 1, 2]
    np.testing.assert_array_equal(found["loss"], [1, 2, 1, 2])
    np.testing.assert_array_equal(found["validation_loss"], [3, 4, np.nan, np.nan])
    assert found["validation_loss"].dtype == np.float32
    assert curves(frame, ["validation_loss"])["name"].tolist() == ["a", "a"]


def test_curve_matrix_of_ragged_curves() -> None:
    column = pd.Series([np.array([1, np.inf, 3], np.float32), None, np.array([5], np.float32)])
    expected = [[1, np.nan, 3], [np.nan] * 3, [5, np.nan, np.nan]]
    np.testing.assert_array_equal(curve_matrix(column, np.array([1, 2, 3])), expected)


@pytest.mark.parametrize("last", [1, 2, 7, 300, 3000, 30_000])
def test_log_spaced_epochs(last: int) -> None:
    epochs = log_spaced_epochs(last)
    assert epochs.dtype == np.int64
    assert (epochs[0], epochs[-1]) == (1, last)
    assert (np.diff(epochs) > 0).all()
    assert len(epochs) <= 100
    assert len(epochs) > 70 or last < 3000


def test_log_spaced_epochs_needs_an_epoch() -> None:
    with pytest.raises(InputError, match="at least"):
        log_spaced_epochs(0)


# The butter zone


def test_colours_follow_the_published_formula() -> None:
    ratio = relative_loss([0.5, 0.55, 0.6, 1.0, 7.0, np.nan], 0.5, 7.0)
    np.testing.assert_allclose(ratio, [1, 1.1, 1.2, 2, 14, np.nan])
    by_hand = [1.0, 0.69897, 0.522879, -0.041393, -0.041393, np.nan]
    np.testing.assert_allclose(zone_value(ratio), by_hand, atol=1e-6)
    scaled = MinMax.of([zone_value(ratio)])(zone_value(ratio))
    np.testing.assert_allclose(scaled, [1, (0.69897 + 0.041393) / 1.041393, 0.541843, 0, 0, np.nan], atol=1e-6)
    np.testing.assert_array_equal(MinMax.of([np.array([3.0, 3.0])])([3.0, np.nan]), [1.0, np.nan])
    rounded = np.array([3.0, 3.0 + 1e-6])
    np.testing.assert_array_equal(MinMax.of([rounded])(rounded), [1.0, 1.0], "rounding is no landscape")


def test_colours_reach_further_where_most_losses_are_far_from_the_minimum() -> None:
    assert cap_of([np.array([1, 1.5, 2, 2.1])]) == 2, "a quarter beyond, as in the published figures"
    far = np.array([1, 2.5, 8, 9, np.nan])
    assert cap_of([far[:2], far[2:]]) == 10
    np.testing.assert_allclose(zone_value(far, 10), -np.log10(far - 0.9), atol=1e-9)
    assert cap_of([np.full(4, 1e9)]) == 1000
    assert cap_of([np.array([np.nan])]) == cap_of([]) == 2


def test_ratios_to_a_minimum_of_zero_or_less() -> None:
    np.testing.assert_allclose(relative_loss([-1, 0, 1], -1, 1), [1, 1.5, 2])
    np.testing.assert_allclose(relative_loss([0, 0], 0, 0), [1, 1])


def test_the_triangle_is_at_the_minimum(dataset: Path) -> None:
    frame = read(dataset, filters=[("dataset", "=", DIGITS)])
    figure = butter_zone(frame)
    shown = _panels(figure)
    assert list(shown) == ["rectangle, depth 2", "trapezoid, depth 2", "rectangle, depth 3", "trapezoid, depth 3"]
    assert _triangles(shown.pop("rectangle, depth 2"), "minimum") == [(1024, 20)]
    for axes in shown.values():
        assert _triangles(axes, "minimum") == []
        assert _triangles(axes, "panel minimum") == [(1024, 20)]
    texts = {text.get_text() for text in figure.texts}
    assert {"trainable parameters", "epoch"} <= texts
    ticks = [text.get_text() for text in figure.axes[-1].get_yticklabels()]
    assert ticks[0] == "1.0x (best)"
    assert {"1.1x", "1.3x"} <= set(ticks)


def test_least_of_the_task(dataset: Path) -> None:
    found = least(panels(read(dataset, filters=[("dataset", "=", DIGITS)])))
    assert found is not None
    assert (found.num_free_parameters, found.epoch, found.title) == (1024, 20, "rectangle, depth 2")
    assert found.value == pytest.approx(0.1)


def test_figures_of_several_tasks_are_refused(dataset: Path) -> None:
    with pytest.raises(InputError, match="one data set"):
        butter_zone(read(dataset))
    with pytest.raises(InputError, match="no experiments"):
        learning_curves(read(dataset)[:0])
    with pytest.raises(InputError, match="lacks test_loss_median"):
        butter_zone(read(dataset, columns=["size"]))


def test_other_hyperparameters_make_panels_of_their_own(tmp_path: Path) -> None:
    rates = [e for rate in (1e-2, 1e-3, 1e-4, 1e-5) for e in grid(learning_rate=rate) if e["size"] in SIZES[:3]]
    frame = _frame(tmp_path, rates, 1)
    found = panels(frame)
    assert len(found) == 16
    assert found[0].title == "rectangle, depth 2, learning rate 1e-05"
    figure = butter_zone(frame)
    assert len(_panels(figure)) == 12
    assert any("4 more panels of 16 not drawn" in text.get_text() for text in figure.texts)
    assert any("4 more panels of 16" in text.get_text() for text in learning_curves(frame).texts)
    assert label(frame.iloc[0].to_dict(), ["learning_rate"]) == "rectangle d2 2^8, learning rate 1e-05"


def test_penalties_are_told_apart(tmp_path: Path) -> None:
    kinds = [{}, *({"kernel_regularizer.type": k, f"kernel_regularizer.{k}": 0.01} for k in ("l1", "l2"))]
    rows = [experiment("a", "rectangle", 2, size, bowl(0.1, 8, 9), **kind) for kind in kinds for size in SIZES]
    titles = {panel.title.removeprefix("rectangle, depth 2, ") for panel in panels(_frame(tmp_path, rows))}
    assert titles == {"no penalty", "l1 0.01", "l2 0.01"}


def _odd(kind: str) -> list[dict]:
    def diverging(size: int, epochs: np.ndarray) -> np.ndarray:
        return np.where((epochs > 30) & (size > 600), np.nan, 1e30 if size > 2000 else bowl(0.1, 9, 10)(size, epochs))

    def nothing(size: int, epochs: np.ndarray) -> np.ndarray:
        return np.full(len(epochs), np.inf)

    one = ("a", "rectangle", 3)
    return {
        "diverging": [experiment(*one, size, diverging) for size in SIZES],
        "never finite": [experiment(*one, size, nothing) for size in SIZES],
        "zero": [experiment(*one, size, lambda s, e: np.maximum(0, 1 - e / 20)) for size in SIZES],
        "negative": [experiment(*one, size, lambda s, e: -np.log(e)) for size in SIZES],
        "constant": [experiment(*one, size, lambda s, e: 0.0 * e) for size in SIZES],
        "one experiment": [experiment(*one, 1024, bowl(0.1, 9, 10))],
        "one epoch": [experiment(*one, size, bowl(0.1, 9, 10), epochs=1) for size in SIZES],
        "ragged": [experiment(*one, size, bowl(0.1, 9, 10), epochs=20 + size // 50) for size in SIZES],
        "same network twice": [{**experiment(*one, s, bowl(0.1, 9, 10)), "num_free_parameters": 300} for s in SIZES],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "diverging",
        "never finite",
        "zero",
        "negative",
        "constant",
        "one experiment",
        "one epoch",
        "ragged",
        "same network twice",
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning:tests.support.analysis_data", "ignore::RuntimeWarning:numpy")
@pytest.mark.usefixtures("without_pixels")  # which take most of the time and depend on the losses no more
def test_odd_losses_are_drawn_or_said(tmp_path: Path, kind: str) -> None:
    page = write_report(write_data_set(tmp_path / "dataset", _odd(kind), 1), tmp_path / "report").read_text()
    assert page.count("<img ") >= 2
    figure = butter_zone(read(tmp_path / "dataset"))
    notices = [text.get_text() for axes in _panels(figure).values() for text in axes.texts]
    expected = {
        "never finite": ["no finite loss"],
        "one experiment": ["one size only:\nno map"],
        "one epoch": ["one epoch only:\nno map"],
        "same network twice": ["one size only:\nno map"],
    }
    assert notices == expected.get(kind, [])


def test_epochs_part_panels_only_where_a_network_has_several(tmp_path: Path) -> None:
    assert len(panels(_frame(tmp_path / "ragged", _odd("ragged")))) == 1
    both = [experiment("a", "rectangle", 3, s, bowl(0.1, 9, 10), epochs=n) for s in SIZES for n in (20, 60)]
    titles = [panel.title for panel in panels(_frame(tmp_path / "both", both))]
    assert titles == ["rectangle, depth 3, 20 epochs", "rectangle, depth 3, 60 epochs"]
