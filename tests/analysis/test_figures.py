"""Figures of several tasks, and slices along a hyperparameter, from loss surfaces that are known."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from analysis import read
from analysis.figures import comparison, generalization, slices, zone_grid
from analysis.figures.fit_table import panel_fits
from analysis.figures.panels import base, base_of_tasks
from analysis.figures.pictures import Drawing, png
from analysis.figures.zone import variation, variation_value
from analysis.fits.certainty import TOO_FEW
from analysis.fits.fits import LANDMARKS, landmarks
from analysis.reading.labels import fixed_text, loss_words
from survey.errors import InputError
from tests.support.analysis_data import bowl, experiment, write_data_set
from tests.support.figure_texts import unreadable

SIZES = [2**k for k in range(8, 13)]
RATES = {1e-2: 3.0, 1e-3: 1.0, 1e-4: 2.0}
COEFFICIENTS = (0.16, 0.08, 0.04, 0.02, 0.01, 0.005, 0.0025)


def _grid(dataset: str, floor: float, **more: object) -> list[dict]:
    """Two shapes x two depths; the least loss is `floor`, of a rectangle of depth 3, at 2^10 and epoch 20."""
    return [
        experiment(dataset, shape, depth, size, bowl(floor * factor, 10, 20), **more)
        for shape, depth, factor in (("rectangle", 3, 1.0), ("rectangle", 5, 1.2), ("trapezoid", 3, 1.1))
        for size in SIZES
    ]


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    rates = [
        experiment("nursery", "rectangle", 3, size, bowl(0.2 * factor, 10, 20), learning_rate=rate)
        for rate, factor in RATES.items()
        for size in SIZES[:3]
        if rate != 1e-4
    ]
    penalties = [
        experiment(
            "nursery",
            "rectangle",
            3,
            size,
            bowl(0.2 + coefficient, 10, 20),
            **{"kernel_regularizer.type": "l1", "kernel_regularizer.l1": coefficient},
        )
        for coefficient in COEFFICIENTS
        for size in SIZES[:3]
    ]
    houses = _grid("537_houses", 0.01, task="regression")
    path = tmp_path_factory.mktemp("figures") / "dataset"
    return read(write_data_set(path, [*_grid("nursery", 0.4), *houses, *rates, *penalties], repetitions=5))


def _texts(figure) -> list[str]:
    return [" ".join(text.get_text().split()) for text in figure.texts]


def _triangles(axes, gid: str) -> list[tuple[float, float]]:
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines if line.get_gid() == gid]


def test_a_grid_has_a_row_for_each_task_and_a_column_for_each_depth(frame: pd.DataFrame) -> None:
    figure = zone_grid(frame)
    shown = [axes for axes in figure.axes if axes.get_title(loc="left").startswith("depth ")]
    assert [axes.get_title(loc="left") for axes in shown] == ["depth 3", "depth 5"] * 2
    assert [_triangles(axes, "minimum") for axes in shown] == [[(1024, 20)], [], [(1024, 20)], []]
    assert [_triangles(axes, "panel minimum") for axes in shown] == [[], [(1024, 20)], [], [(1024, 20)]]
    texts = _texts(figure)
    assert {"537_houses", "nursery"} <= set(texts)
    assert {"trainable parameters", "epoch"} <= set(texts)
    assert any("shape rectangle, learning rate 0.0001, no penalty" in text for text in texts)


def test_a_grid_by_shape_says_where_there_is_nothing(frame: pd.DataFrame) -> None:
    figure = zone_grid(frame[(frame["dataset"] != "537_houses") | (frame["shape"] == "rectangle")], by="shape")
    shown = [axes for axes in figure.axes if axes.get_title(loc="left")][:4]
    assert [axes.get_title(loc="left") for axes in shown] == ["rectangle", "trapezoid"] * 2
    assert [text.get_text() for axes in shown for text in axes.texts] == ["no\nexperiments"]


def test_long_names_in_a_grid_can_be_read(tmp_path) -> None:
    shapes = [f"wide_first_{ratio}x_residual" for ratio in (2, 4, 5, 8, 10, 16)]
    name = "a_table_of_which_the_name_is_longer_than_a_line_of_the_figure_can_be_" * 2
    sizes = (256, 1024)
    rows = [
        experiment(name, shape, 3, size, bowl(0.1, 9, 20), learning_rate=rate)
        for shape in shapes
        for size in sizes
        for rate in (1e-4, 1e-3)
    ]
    rows += [experiment("nursery", shapes[0], 3, size, bowl(0.1, 9, 20)) for size in sizes]
    figure = zone_grid(read(write_data_set(tmp_path / "dataset", rows)), by="shape")
    assert unreadable(figure) == []
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert "wide_\nfirst_16x_\nresidual" in titles


def test_variation_over_repetitions(frame: pd.DataFrame) -> None:
    # Five repetitions at 1 + 0.04 x (-2 .. 2): a sample's standard deviation of 0.04 x sqrt(2.5).
    row = frame.iloc[0]
    found = variation(row["test_loss_stddev"], row["test_loss_avg"])
    np.testing.assert_allclose(found, 0.04 * np.sqrt(2.5), rtol=1e-5)
    np.testing.assert_allclose(variation_value([0.0, 0.1, np.nan]), [0, np.log(2), np.nan])
    np.testing.assert_array_equal(variation([1.0, 1.0, np.nan], [0.0, -1.0, 1.0]), [np.nan] * 3)
    changing = frame.assign(test_loss_stddev=[each * np.linspace(0, 2, len(each)) for each in frame["test_loss_avg"]])
    figure = zone_grid(changing, vary=True)
    (bar,) = (axes for axes in figure.axes if axes.get_title(loc="left") == "stddev ÷ mean")
    named = [text.get_text() for text in bar.get_yticklabels()]
    assert named[0] == "0"  # and those of which neighbours have room
    assert {"0.1", "0.2", "0.5"} <= set(named)


def test_a_grid_needs_its_columns(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="lacks test_loss_stddev"):
        zone_grid(frame.drop(columns="test_loss_stddev"), vary=True)
    with pytest.raises(InputError, match="no experiments"):
        zone_grid(frame[:0])


def test_the_most_frequent_settings_are_the_base(frame: pd.DataFrame) -> None:
    nursery = frame[frame["dataset"] == "nursery"]
    chosen, fixed = base(nursery, ["learning_rate"])
    assert fixed_text(fixed) == "shape rectangle, depth 3, no penalty"
    assert len(chosen) == 11
    equals = nursery[nursery["kernel_regularizer.type"] == "l1"]
    _, fixed = base(equals, [])  # all as frequent: the best is taken
    assert fixed_text(fixed) == "l1 0.0025"
    assert base(equals[:3], [])[1] == {}


@pytest.mark.parametrize("along", ["learning_rate", "label_noise", "shape", "depth", "kernel_regularizer.l1"])
def test_every_axis_of_a_slice_has_a_name(frame: pd.DataFrame, along: str) -> None:
    left, right = slices(frame[frame["dataset"] == "nursery"], along).axes
    assert left.get_ylabel() == "test loss: cross-entropy (nats)"
    assert right.get_ylabel() == "best epoch"
    assert left.get_xlabel()
    assert left.get_xlabel() == right.get_xlabel()


def test_a_slice_has_the_medians(frame: pd.DataFrame) -> None:
    figure = slices(frame[frame["dataset"] == "nursery"], "learning_rate")
    left, right = figure.axes
    largest = left.lines[2]  # 2^10, the best of the three sizes that have all rates
    np.testing.assert_allclose(largest.get_ydata(), [0.4, 0.2, 0.6], rtol=1e-5)
    assert [text.get_text() for text in left.get_xticklabels()] == ["0.0001", "0.001", "0.01"]
    np.testing.assert_array_equal(right.lines[2].get_ydata(), [20, 20, 20])
    assert "All at shape rectangle, depth 3, no penalty." in _texts(figure)


def test_a_slice_along_a_penalty_begins_without_one(frame: pd.DataFrame) -> None:
    left, _ = slices(frame[frame["dataset"] == "nursery"], "kernel_regularizer.l1").axes
    best = left.lines[2]
    np.testing.assert_array_equal(best.get_xdata(), range(8))
    np.testing.assert_allclose(best.get_ydata(), [0.4, *(0.2 + c for c in sorted(COEFFICIENTS))], rtol=1e-5)
    shown = [text.get_text() for text in left.get_xticklabels()]
    assert (shown[0], shown[-1]) == ("none", "0.16")


def test_a_slice_along_nothing_known(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="did you mean 'learning_rate'"):
        slices(frame, "learning_rates")
    with pytest.raises(InputError, match="one data set"):
        slices(frame, "learning_rate")


def test_losses_have_units(frame: pd.DataFrame) -> None:
    assert loss_words(frame[frame["task"] == "regression"]) == "loss: squared error (of a target in 0..1)"
    assert loss_words(frame) == "loss"


def test_generalization_statistics_have_points_and_fits(frame: pd.DataFrame) -> None:
    houses = frame[frame["dataset"] == "537_houses"]
    figure = generalization(houses)
    first, second, third = figure.axes
    assert first.get_ylabel() == "minimizing epoch"
    assert second.get_ylabel() == "minimum test squared error"
    assert third.get_ylabel() == "descent slope (loss per epoch)"
    points = [line for line in second.lines if line.get_gid() == "points"]
    assert len(points) == 3  # rectangles of depth 3 and 5, trapezoids of depth 3
    assert {line.get_marker() for line in points} == {"o", "s"}
    best = landmarks(houses[(houses["shape"] == "rectangle") & (houses["depth"] == 3)])
    np.testing.assert_allclose(sorted(points[0].get_ydata()), sorted(best["minimum_loss"]))
    assert [line.get_gid() for line in second.lines].count("fit") == 3


def test_generalization_statistics_of_too_few_sizes(frame: pd.DataFrame) -> None:
    one = frame[(frame["dataset"] == "537_houses") & (frame["size"] == 1024) & (frame["shape"] == "rectangle")]
    assert len(generalization(one).axes) == 3
    assert panel_fits(one)[0].doubts == dict.fromkeys(LANDMARKS, TOO_FEW)
    nothing = one.assign(test_loss_median=[np.full(9, np.nan)] * len(one))
    assert [text.get_text() for text in generalization(nothing).axes[0].texts] == ["no finite loss"]


def test_a_picture_has_the_colours_of_its_figure() -> None:
    """Also where they are many more than its palette has: of crossing bands, and of a small patch of another colour."""
    figure = Drawing(figsize=(6, 4))
    axes = figure.add_axes((0, 0, 1, 1))
    for number in range(30):
        axes.fill_between([0, 1], [number, 30 - number], [number + 9, 40 - number], color=f"C{number}", alpha=0.3)
    axes.fill_between([1.01, 1.04], 0, 2, color="#d2d4d6")
    picture = np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB")).astype(int)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 2000
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 200
    assert np.abs(picture - drawn).mean() < 2
    is_patch = (drawn == [0xD2, 0xD4, 0xD6]).all(axis=-1)
    assert is_patch.sum() > 100
    assert np.abs(picture - drawn)[is_patch].max() < 8


def test_powers_are_letters_of_the_font(frame: pd.DataFrame) -> None:
    """As formulas, which look the same, they would take most of the time of a small figure."""
    figure = generalization(frame[frame["dataset"] == "nursery"])
    first, _, third = figure.axes
    third.set_ylim(-2e-3, 0)
    FigureCanvasAgg(figure).draw()
    assert "2¹⁰" in [text.get_text() for text in first.get_xticklabels()]
    assert third.yaxis.get_offset_text().get_text() == "×10⁻³"
    assert "−1.00" in [text.get_text() for text in third.get_yticklabels()]


def _runs(frame: pd.DataFrame, factor: float, seed: int) -> pd.DataFrame:
    """Twelve runs of each rectangle of depth 3 of 537_houses, all losses times a factor where the size is 2^12."""
    random = np.random.default_rng(seed)
    chosen = frame[(frame["dataset"] == "537_houses") & (frame["shape"] == "rectangle") & (frame["depth"] == 3)]
    runs = pd.concat([chosen] * 12, ignore_index=True)
    noise = [(factor if size == 4096 else 1.0) * random.uniform(0.95, 1.05) for size in runs["size"]]
    return runs.assign(val_loss=[curve * each for curve, each in zip(runs["test_loss_median"], noise, strict=True)])


def test_a_figure_draws_itself_in_a_notebook(frame: pd.DataFrame) -> None:
    """As IPython asks it to, where neither pyplot nor one of its backends is set up."""
    shown, sizes = DisplayFormatter().format(zone_grid(frame))
    assert shown["image/png"].startswith(b"\x89PNG")
    assert sizes["image/png"]["width"] == 860, "8.6 inches at 100 pixels; the PNG has more, for good screens"


def test_two_data_sets_beside_each_other(frame: pd.DataFrame) -> None:
    before, after = _runs(frame, 1.0, 1), _runs(frame, 1.5, 2)
    figure = comparison(before, after, ("before", "after"))
    final, minimum = figure.axes
    assert (final.get_title(loc="left"), final.get_ylabel()) == ("537_houses", "final test loss")
    assert minimum.get_ylabel() == "minimum test loss"
    for axes in (final, minimum):
        (stars,) = (line for line in axes.lines if line.get_gid() == "differ")
        assert list(stars.get_xdata()) == [4096]
        for side in (0, 1):
            (runs,) = (line for line in axes.lines if line.get_gid() == f"runs {side}")
            assert len(runs.get_xdata()) == 12 * len(SIZES)
    medians = [line for line in minimum.lines if line.get_gid() == "median 1"]
    expected = [np.median([curve.min() for curve in rows["val_loss"]]) for _, rows in after.groupby("size")]
    np.testing.assert_allclose([line.get_ydata()[0] for line in medians], expected)
    assert "Of 5 experiments in both, differ: final 1, minimum 1." in _texts(figure)


def test_two_data_sets_that_share_nothing(frame: pd.DataFrame) -> None:
    before = _runs(frame, 1.0, 1)
    with pytest.raises(InputError, match="share no experiment"):
        comparison(before, before.assign(depth=9))


def test_tasks_with_settings_of_their_own_are_side_by_side():
    rows = [(task, size, batch) for task, batch in (("a", 32), ("b", 64)) for size in (64, 128, 256)]
    frame = pd.DataFrame(rows, columns=["dataset", "size", "batch_size"]).assign(shape="rectangle", depth=3)
    assert set(base(frame, [])[0]["dataset"]) == {"a"}
    assert set(base_of_tasks(frame, [])[0]["dataset"]) == {"a", "b"}
