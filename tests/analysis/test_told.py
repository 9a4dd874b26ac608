"""What a report says of what the runs can tell, and the figures of it."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis import read
from analysis.conclusions.axis_effects import HIGHER, NOISE, Effect
from analysis.figures import learning_curves
from analysis.figures.effect_bars import MAX_PAIRS, effect_bars, percent, shown_effects
from analysis.report.condense import experiments
from analysis.report.told import MAX_LISTED, Told, told
from survey.errors import InputError
from survey.networks.columns import COLUMNS
from tests.support.analysis_data import as_published, bowl, experiment, grid, write_data_set
from tests.support.workload_data import MADE, Made, write_workload

pytestmark = pytest.mark.usefixtures("made_is_installed")


def told_of(folder: Path, scores: dict[Made, list[float]]) -> Told:
    """What is told of experiments with the given scores of their runs: the height at the second of two epochs."""
    made = {each: np.array([[value - 1, value] for value in values]) for each, values in scores.items()}
    dataset = write_workload(folder / "dataset", MADE, {each: {"height": h, "width": h} for each, h in made.items()})
    return told(dataset, experiments(dataset), MADE, lambda row: f"count {row['count']}")


LUCK = np.array([0.0, 4.0, -3.0, 1.0, 2.0])


def test_what_is_told_of_paired_runs(tmp_path):
    found = told_of(
        tmp_path,
        {
            Made(count=1): [*(9 + LUCK)],
            Made(count=2): [*(8.9 + LUCK + [0.1, -0.1, 0.1, -0.1, 0.1])],
            Made(count=3): [*(5 + LUCK)],
        },
    )
    assert found.sentences[:3] == [
        "The setting with the best median is count 1; 1 other cannot be told from it.",
        "These 2 were found in a way that keeps the setting whose mean height at the best epoch is truly best in at "
        "least 95 of 100 surveys, if scores are about normal. That 3 settings are compared is taken into account.",
        "Settings are compared within each of 5 repetitions, of which they share the draws.",
    ]
    resolution = r"Between two settings of typical spread, chosen beforehand, 5 repetitions find a difference of about "
    assert re.match(resolution + r"0\.\d+ in four of five surveys; 1\d find half of it\.", found.sentences[3])
    assert [(each.label, round(each.behind, 4)) for each in found.candidates] == [("count 1", 0), ("count 2", 0.08)]
    assert found.matters
    assert found.matters.title == "What matters for the height"
    assert "Computed on all 3 experiments, 5 runs each." in found.matters.caption
    assert "What a repetition does to all settings alike is taken out, as draws are paired." in found.matters.caption
    assert found.matters.picture.alt.startswith("Bars of shares of the variance of the height: count ")


def test_settings_that_were_still_becoming_better_are_told(tmp_path):
    scores = {Made(count=count): [*(9 + 0.01 * count + LUCK)] for count in (1, 2)}
    (told_so,) = (each for each in told_of(tmp_path / "rising", scores).sentences if "last epoch" in each)
    assert told_so.startswith("It was still becoming better at the last epoch: most runs have their best epoch in the ")
    falling = {each: np.array([[value, value - 1] for value in values]) for each, values in scores.items()}
    curves = {each: {"height": heights, "width": heights} for each, heights in falling.items()}
    dataset = write_workload(tmp_path / "falling", MADE, curves)
    found = told(dataset, experiments(dataset), MADE, lambda row: f"count {row['count']}")
    assert not [each for each in found.sentences if "last epoch" in each]


def test_one_setting_is_the_best(tmp_path):
    found = told_of(tmp_path, {Made(count=count): [*(count + 0.1 * LUCK * count)] for count in (1, 9)})
    assert found.sentences[0] == "The best setting is count 9: each other one that was compared is worse."
    assert found.sentences[1].startswith(
        "It was found in a way that keeps the setting whose mean height at the best epoch is truly best"
    )
    assert found.candidates == []


def test_independent_draws_are_said_to_be_unpaired(tmp_path):
    scores = {Made(count=count, draws="independent"): [*(0.1 * count + LUCK)] for count in range(1, 16)}
    found = told_of(tmp_path, scores)
    assert "Comparisons are unpaired: each of the 5 runs of a setting has draws of its own" in found.sentences[2]
    assert len(found.candidates) == MAX_LISTED
    assert found.unlisted == 3


def test_a_best_median_with_a_worse_mean_is_told(tmp_path):
    bad = [10.0, 10.1, 9.9, 10.0, -30.0, 10.0, 10.1, -29.0, 10.0, 10.1, -30.0, 10.0]
    scores = {Made(count=1): bad, Made(count=2): [9.5 + 0.001 * run for run in range(12)]}
    for count in range(3, 6):
        scores[Made(count=count)] = [9.4 + 0.001 * run for run in range(12)]
    found = told_of(tmp_path, scores)
    assert found.sentences[0].startswith("The setting with the best median is count 1")


def test_what_cannot_be_told_is_said(tmp_path):
    alone = told_of(tmp_path / "alone", {Made(count=1): [1.0, 2.0]})
    assert alone.sentences == ["There is one setting alone, and none to tell it from."]
    assert alone.matters is None
    single = told_of(tmp_path / "single", {Made(count=1): [1.0], Made(count=2): [2.0]})
    assert single.sentences[0].startswith("There is one run of each setting: whether two settings differ, or only two")
    assert single.matters
    assert "the noise of repetitions is unknown, and is part of all shares" in single.matters.caption
    lost = told_of(tmp_path / "lost", {Made(count=count): [math.nan] * 2 for count in (1, 2)})
    assert lost.sentences == [
        "No setting has a finite score in all runs that most have, so none can be compared.",
        "Left out: 2 settings with runs that have no finite score.",
    ]
    equal = told_of(tmp_path / "equal", {Made(count=count): [4.0, 4.0] for count in (1, 2)})
    assert equal.sentences[0] == "The setting with the best median is count 1; 1 other cannot be told from it."
    assert equal.matters is None
    assert not any("find a difference" in sentence for sentence in equal.sentences)


def test_what_was_not_compared_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.conclusions.best_settings.MAX_TESTED", 20)
    scores = {Made(count=count): [*(count + LUCK)] for count in range(1, 31)}
    scores[Made(count=30)] = [30.0]
    found = told_of(tmp_path, scores)
    assert found.sentences[-2:] == [
        "Of 30 settings, the runs of the 19 with the best medians were compared. The others are not shown to be worse.",
        "Left out: 1 setting without the runs that most have.",
    ]


def test_few_runs_are_read_for_what_matters(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.report.told.MAX_READ", 8)
    dataset = write_data_set(tmp_path / "dataset", grid())
    found = told(dataset, experiments(dataset), COLUMNS, lambda row: str(row["size"]))
    assert found.matters
    assert "Computed on 8 of 20 experiments, 3 runs each: depth 2, 3; shape rectangle, trapezoid; size 256, 4096." in (
        found.matters.caption
    )
    assert "They represent a full grid of 20: evenly chosen values of its longest axes." in found.matters.caption


def test_published_data_and_data_without_runs(tmp_path):
    rows = [experiment("mnist", "rectangle", 3, size, bowl(0.1, 9, 20)) for size in (256, 512, 1024)]
    dataset = write_data_set(tmp_path / "dataset", rows, 4, schema_of=as_published)
    found = told(dataset, experiments(dataset), COLUMNS, lambda row: str(row["size"]))
    assert found.of_task == " of mnist"
    assert "Comparisons are unpaired: each of the 4 runs of a setting" in found.sentences[2]
    assert (
        "keeps the setting whose geometric mean of the test loss at the best epoch is truly best in"
        in found.sentences[1]
    )
    assert "if logarithms of scores are about normal" in found.sentences[1]
    shutil.rmtree(dataset / "all_repetitions")
    found = told(dataset, experiments(dataset), COLUMNS, lambda row: str(row["size"]))
    assert found.sentences == ["The data set has no runs with these scores, so what they can tell is unknown."]
    assert found.matters is None


# Figures


def test_bars_of_effects():
    axes = [Effect((name,), name, share) for name, share in (("size", 0.5), ("depth", 0.004))]
    pairs = [Effect((f"a{n}", f"b{n}"), f"a{n} × b{n}", 0.03) for n in range(MAX_PAIRS + 2)]
    small = [Effect(("c", "d"), "c × d", 0.001), Effect((), HIGHER, 0.002)]
    noise = Effect((), NOISE, 0.2)
    shown = shown_effects([*axes, *pairs, *small, noise])
    assert shown == [*axes, *pairs[:MAX_PAIRS], noise]
    figure = effect_bars([*axes, *pairs, *small, noise])
    (drawn,) = figure.axes
    assert [bar.get_width() for bar in drawn.patches] == [effect.share for effect in shown]
    assert [label.get_text() for label in drawn.get_yticklabels()][:2] == ["size", "depth"]
    assert len(figure.legends[0].get_texts()) == 3
    assert shown_effects([Effect((), HIGHER, 0.1)]) == [Effect((), HIGHER, 0.1)]
    shares = (0.5, 0.004, 0.0004, 6e-16, 0.0)
    assert [percent(share) for share in shares] == ["50 %", "0.4 %", "<0.1 %", "0 %", "0 %"]
    with pytest.raises(InputError, match="no share of variance is known"):
        effect_bars([Effect(("size",), "size", math.nan)])


def test_learning_curves_have_whiskers_of_the_mean(tmp_path):
    rows = [experiment("mnist", "rectangle", 3, size, bowl(0.1, 9, 20)) for size in (256, 512)]
    frame = read(write_data_set(tmp_path / "dataset", rows, 4))
    (panel,) = (axes for axes in learning_curves(frame).axes if axes.lines)
    whiskers = [each for each in panel.collections if type(each).__name__ == "LineCollection"]
    assert len(whiskers) == 2
    (first, *_) = whiskers[0].get_segments()
    epoch = int(first[0, 0])
    mean, half = frame["test_loss_avg"][0][epoch - 1], 3.182446 * frame["test_loss_stddev"][0][epoch - 1] / 2
    np.testing.assert_allclose(first[:, 1], [mean - half, mean + half], rtol=1e-5)
    without = frame.drop(columns=["test_loss_stddev"])
    (panel,) = (axes for axes in learning_curves(without).axes if axes.lines)
    assert not [each for each in panel.collections if type(each).__name__ == "LineCollection"]
