"""The report on a workload that is no network: what is in it, from the columns alone."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import random_walk
from matplotlib.text import Text

from analysis import curves, read, read_batches, recommend
from analysis.compare import compare
from analysis.figures.axis_maps import axis_maps, pairs
from analysis.figures.axis_slices import axis_slice
from analysis.figures.metric_curves import objective_curves, other_curves
from analysis.figures.selection import at_best, crossed, some
from analysis.reading.axes import axes_of, axis_values, list_axes, lists_as_text, metric_text, value_text, values_text
from analysis.reading.best import Best
from analysis.report.condense import experiments
from analysis.report.page import write_report
from analysis.report.shown import metrics_text
from analysis.report.workload_page import contents
from survey.errors import InputError
from survey.text.escaping import printable
from survey.workloads.metrics import Metric
from tests.support.hostile import BOTH, EFFECTIVE, EVIL, parsed, text_of
from tests.support.workload_data import MADE, Made, hills, write_workload

pytestmark = pytest.mark.usefixtures("made_is_installed")

HEIGHT = MADE.metrics.objective
HIGHEST = Best(HEIGHT, HEIGHT)
ALL_KINDS = {"count": (1, 3), "kind": ("plain", None), "flag": (False, True)}


def walks(folder: Path) -> Path:
    """Random walks of three steps and two drifts, some of them longer."""
    found = {}
    for step in (0.5, 1.0, 2.0):
        for drift in (0.0, 0.1):
            experiment = random_walk.WalkExperiment(step=step, drift=drift, epochs=12)
            walk = random_walk.Walks(experiment, seeds=[1, 2, 3])
            values = []
            for _ in range(experiment.epochs):
                walk.start_epoch()
                values.append(walk.end_epoch().numpy())
            names = random_walk.WalkNeeds(experiment).metrics
            found[experiment] = dict(zip(names, np.stack(values, axis=2), strict=True))
    return write_workload(folder, random_walk.COLUMNS, found)


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> Path:
    return walks(tmp_path_factory.mktemp("walks") / "dataset")


def page_of(dataset: Path, out: Path) -> str:
    return write_report(dataset, out).read_text()


def titles(page: str) -> list[str]:
    return re.findall(r"<h[23]>(.*?)</h[23]>", page)


def cells(page: str, section: str) -> list[list[str]]:
    """The rows of the table of a section, as texts."""
    part = page.split(f'<section id="{section}">')[1].split("</section>")[0]
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>.*?</tr>", part, flags=re.DOTALL)]


@pytest.mark.usefixtures("without_pixels")
def test_the_report_on_random_walks(walked, tmp_path):
    page = page_of(walked, tmp_path / "a")
    assert page == page_of(walked, tmp_path / "b")
    assert "<h1>Training survey: random_walk</h1>" in page
    assert titles(page) == [
        *("What this survey found", "All settings, the best first", "What was surveyed"),
        "Best experiments",
        *("Learning curves", "Distance by epoch", "Other metrics by epoch"),
        *("Slices", "Distance along step", "Distance along drift"),
        *("Maps", "Distance over pairs of axes"),
        *("What these runs can tell", "What matters for the distance", "What may be the best"),
        *("What failed or is missing", "All experiments"),
        *("Load this data", "With pyarrow and pandas", "With this project"),
    ]
    for fact in (
        "<dt>Objective</dt><dd>distance (How far it is from where it began); less is better</dd>",
        "<dt>Step</dt><dd>0.5, 1, 2 · Standard deviation of a step</dd>",
        "<dt>Runs</dt><dd>18 (3 per experiment)</dd>",
        "<dt>Epochs recorded</dt><dd>216 (12 per run)</dd>",
        "<dt>Search spaces</dt><dd>sweep (6)</dd>",
        "every run has a finite distance at its last epoch",
    ):
        assert fact in page
    frame = read(walked).sort_values("distance_min_value_median")
    heads, *rows = cells(page, "best")
    assert heads == ["Step", "Drift", "Runs", "Distance", "Median epoch", "q1", "q3", "At the end"]
    assert len(rows) == 5
    assert [float(row[3]) for row in rows] == pytest.approx(frame["distance_min_value_median"][:5], rel=1e-3)
    assert float(rows[0][7]) == pytest.approx(frame["distance_median"].iloc[0][-1], rel=1e-3)
    assert len(cells(page, "experiments")) == 1 + 6


@pytest.mark.usefixtures("without_pictures")
def test_the_code_of_the_page_loads_the_data(walked, tmp_path, monkeypatch):
    monkeypatch.chdir(walked.parent)
    codes = re.findall(r"<pre><code>(.*?)</code></pre>", page_of(walked, tmp_path), flags=re.DOTALL)
    best = read(walked).sort_values("distance_min_value_median")["experiment_id"].iloc[0]
    for code in codes:
        names: dict = {}
        exec(text_of(code), names)
        assert list(names["frame"]["experiment_id"]) == [best]
    assert list(names["by_epoch"]["epoch"]) == list(range(1, 13))


@pytest.mark.usefixtures("without_pixels")
def test_all_kinds_of_axes(tmp_path):
    found = hills(rates=(None, 1.0, 2.0, math.inf), **ALL_KINDS)
    page = page_of(write_workload(tmp_path / "dataset", MADE, found), tmp_path)
    heads, first, *_ = cells(page, "best")
    assert heads[:6] == ["Rate", "Count", "Kind", "Flag", "Runs", "Height"]
    assert first[:7] == ["2", "3", "none", "False", "3", "10.50", "5"]
    assert "<dd>1, 3 · How many</dd>" in page
    assert "<dd>here · Where</dd>" in page
    assert "more is better" in page
    assert "unseen" not in "".join(titles(page))
    assert "Height along kind" in titles(page)
    assert "Maps" not in titles(page)  # infinity has no place in one
    assert page.count("All at count 3, kind none, as the best experiment.") == 1
    assert page.count("All at count 3, kind none, flag False, as the best experiment.") == 1
    assert page.count("All at kind none, flag False, as the best experiment.") == 3


@pytest.mark.usefixtures("without_pictures")
def test_gaps_and_curves_that_are_not_finite(tmp_path):
    found = hills(rates=(1.0, 2.0), count=(1, 3), epochs=(1, 4, 9))
    worst, best, longest = Made(count=1), Made(rate=2.0, count=3, epochs=9), Made(rate=2.0, count=1, epochs=9)
    found = {each: values for each, values in found.items() if each != longest}
    found[Made(epochs=4)] |= {"height": np.full((3, 4), np.nan)}
    found[best]["height"][:2, -1] = [np.nan, np.inf]
    dataset = write_workload(tmp_path / "dataset", MADE, found)
    page = page_of(dataset, tmp_path)
    assert worst not in found
    assert "5 runs diverged: the height is not finite at the last epoch" in page
    assert ["rate 1, count 1, epochs 4", "3 of 3 runs diverged"] in cells(page, "gaps")
    assert cells(page, "best")[1][:3] == ["2", "3", "9"]
    assert cells(page, "experiments")[-1][-6:] == ["3", "–", "–", "–", "–", "–"]


@pytest.mark.parametrize("height", [1.0, np.nan])
def test_a_single_experiment(height, tmp_path):
    dataset = write_workload(tmp_path / "dataset", MADE, {Made(epochs=1): {"height": np.full((1, 1), height)}})
    page = page_of(dataset, tmp_path)
    assert titles(page)[:9] == [
        *("What this survey found", "All settings, the best first", "What was surveyed"),
        "Best experiments",
        *("Learning curves", "Height by epoch"),  # no other metric has a value
        *("What these runs can tell", "What may be the best"),
        "What failed or is missing",
    ]
    assert cells(page, "best")[0][:2] == ["Runs", "Height"]
    assert "<dt>Epochs recorded</dt><dd>1 (1 per run)</dd>" in page


@pytest.mark.usefixtures("without_pictures")
def test_what_was_surveyed_is_short(tmp_path, monkeypatch):
    """Many axes that do not vary share a line; a metric without a value is none of those that are listed."""
    monkeypatch.setattr("analysis.report.workload_page._CONSTANT", 2)
    made = {each: {**curves, "width": np.full((3, 8), np.nan)} for each, curves in hills(rates=[1.0, 2.0]).items()}
    dataset = write_workload(tmp_path / "dataset", MADE, made)
    facts = dict(contents(dataset, MADE, experiments(dataset), 10)["facts"])
    assert facts["Rate"] == "1, 2 · How fast"
    assert facts["The same in all"] == "count 1, kind plain, flag False, where here, steps []"
    assert facts["Other metrics"] == "unseen (in no summary)"
    assert metrics_text([Metric(name, "odd_one") for name in "abcd"]).startswith("a (odd one), b (odd one)")
    assert metrics_text([Metric(name, "odd_one") for name in "abcde"]) == "a, b, c, d, e"


def test_nothing_yet(tmp_path):
    with pytest.raises(InputError, match="no experiments"):
        write_report(write_workload(tmp_path / "dataset", MADE, {}), tmp_path)


@pytest.mark.scale
@pytest.mark.usefixtures("without_pictures")
def test_many_values_are_drawn_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.report.page.MAX_ROWS", 7)
    found = hills(rates=[each / 8 for each in range(1, 17)], kind=[f"kind {each}" for each in range(13)])
    page = page_of(write_workload(tmp_path / "dataset", MADE, found), tmp_path)
    assert "The best 7 of 208 experiments are listed; the other 201 are in the data set." in page
    assert "Shown are 12 of 13 values of kind, evenly chosen, with the best." in page
    assert page.count("Shown are 7 of 16 values of rate, evenly chosen, with the best.") == 3
    assert "<dd>0.125 to 2 (16 values) · How fast</dd>" in page


def test_other_axes_are_as_in_the_best_experiment(tmp_path):
    made = hills(rates=(1.0, 2.0), count=(1, 2, 3), flag=(False, True))
    frame = lists_as_text(read(write_workload(tmp_path / "dataset", MADE, made)), list_axes(MADE))
    axes = axes_of(MADE, frame)
    assert axes == ["rate", "count", "kind", "flag", "where", "steps"]
    rows, note = at_best(frame, HIGHEST, axes, ["rate"])
    assert note == "All at count 3, flag False, as the best experiment."
    assert sorted(rows["rate"]) == [1, 2]
    drawn_at_random = frame.drop_duplicates("count").assign(rate=[0.1, 0.2, 0.3], flag=False)
    rows, note = at_best(drawn_at_random, HIGHEST, axes, ["rate"])
    assert len(rows) == 3
    assert note == "Each at its best count."
    assert crossed(drawn_at_random, "rate", axes) == []
    assert crossed(frame.iloc[1:], "rate", axes) == ["count", "flag"]
    assert pairs(frame, axes) == [("count", "rate")]
    (panel,) = [axes for axes in axis_maps(frame, HIGHEST, axes).figure.axes if axes.images]
    np.testing.assert_allclose(panel.images[0].get_array(), [[7, 8, 9], [8, 9, 10]], atol=1e-5)
    left = axis_slice(frame, HIGHEST, "count", axes).figure.axes[0]
    np.testing.assert_allclose([line.get_ydata() for line in left.lines], [[7, 8, 9], [8, 9, 10]], atol=1e-5)
    panels = objective_curves(frame, HIGHEST, axes).figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == ["rate 1", "rate 2"]
    assert [len(panel.lines) for panel in panels] == [3, 3]


def test_the_best_value_is_among_those_that_are_drawn():
    rows = pd.DataFrame({"a": [8, *range(8), 9, None]})
    assert some(rows, "a", 4) == (
        [None, 2, 6, 8],
        " Shown are 4 of 11 values of a, evenly chosen, with the best.",
    )
    assert some(rows, "a", 11)[1] == ""


def test_metrics_that_no_experiment_has_recorded_have_no_panel(walked):
    metrics = [each for each in random_walk.COLUMNS.metrics.all if each.name in ("measured", "position")]
    distance = random_walk.COLUMNS.metrics.objective
    drawn = other_curves(read(walked), metrics, Best(distance, distance), ["step", "drift"])
    assert [panel.get_title(loc="left") for panel in drawn.figure.axes] == ["position"]


def test_words_for_values():
    assert [value_text(value) for value in (None, np.nan, 0.1, np.float32(0.1), True, "a" * 99, 10**12)] == [
        *("none", "none", "0.1", "0.1", "True", "a" * 59 + "…", "1000000000000")
    ]
    assert values_text(range(9)) == "0 to 8 (9 values)"
    assert values_text(["a", "b"]) == "a, b"
    assert values_text(["no: a, b", "yes"]) == "no: a, b; yes"
    metrics = [Metric("train_loss", "loss of the training set"), Metric("distance", "distance from the start")]
    assert [metric_text(each) for each in metrics] == ["train loss", "distance (distance from the start)"]
    assert axis_values(pd.DataFrame({"a": ["b", None, "a"]}), "a") == [None, "a", "b"]


def written(folder: Path, names: tuple[str, ...]) -> Path:
    dataset = folder / "data\"); exit('" / "dataset"
    return write_workload(dataset, MADE, hills(rates=(1.0, 2.0), kind=names))


@pytest.mark.usefixtures("without_pictures")
def test_names_are_shown_as_they_are(tmp_path):
    html = write_report(written(tmp_path / "a", BOTH), tmp_path / "b", title=EVIL).read_text()
    plain = ("kind0", "kind1")  # in the same order
    harmless = write_report(written(tmp_path / "c", plain), tmp_path / "d", title="title").read_text()
    page, other = parsed(html), parsed(harmless)
    assert page.elements == other.elements
    assert not EFFECTIVE.search(html)
    text = "".join(page.texts)
    assert text.count(printable(EVIL)) == 2
    for name in BOTH:
        assert text.count(printable(name)[:40]) >= 4


def test_figures_show_names_as_they_are(tmp_path):
    frame = lists_as_text(read(written(tmp_path, BOTH)), list_axes(MADE))
    axes = axes_of(MADE, frame)
    figures = [
        objective_curves(frame, HIGHEST, axes),
        other_curves(frame, MADE.metrics.all[1:2], HIGHEST, axes),
        axis_slice(frame, HIGHEST, "kind", axes),
        axis_slice(frame, HIGHEST, "rate", axes),
    ]
    for drawn in figures:
        drawn.figure.draw_without_rendering()
        texts = [text for text in drawn.figure.findobj(Text) if re.search(r"img|\[red\]", text.get_text())]
        for text in texts:
            shown, is_formula = text._preprocess_math(text.get_text())
            assert not is_formula
            assert not EFFECTIVE.search(shown)


def test_reading_and_comparing(walked, tmp_path):
    frame = read(walked, filters=[("step", "=", 0.5)], columns=["step", "drift", "distance_median"])
    assert len(curves(frame, log_spaced=5)) == 2 * 5
    assert [len(part) for part in read_batches(walked, rows=4)] == [4, 2]
    runs = read(walked, table="all_repetitions")
    found = compare(runs, runs, by=["step", "drift"], statistic="distance")
    assert list(found["runs_a"]) == [3] * 6
    assert (found["final_superiority"] == 0.5).all()
    with pytest.raises(InputError, match="by="):
        compare(runs, runs, statistic="distance")


def test_advice_is_on_networks_alone(walked):
    with pytest.raises(InputError, match=r"random_walk; advice is on networks alone"):
        recommend(walked, 100, 4, 3, "classification", 10)


def test_a_workload_that_is_not_installed(walked, tmp_path, monkeypatch):
    copy = shutil.copytree(walked, tmp_path / "dataset")

    def unknown(name="networks", about=""):
        raise InputError(f"workload: {name!r} is unknown")

    monkeypatch.setattr("survey.dataset.schema.workload_named", unknown)
    with pytest.raises(InputError, match="'random_walk' is unknown"):
        write_report(copy, tmp_path)
