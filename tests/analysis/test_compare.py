"""Two data sets beside each other: who is matched, what the test says, and how often it is wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from analysis import read
from analysis.compare import compare, run_losses
from survey.errors import InputError
from tests.support.analysis_data import as_published, bowl, experiment, write_data_set


def runs(experiments: int, repetitions: int, *, seed: int, factor: float = 1.0, changed: int = 0) -> pd.DataFrame:
    """Runs whose losses are drawn alike, but for those of the first `changed` experiments, times a factor."""
    rng = np.random.default_rng(seed)
    rows = []
    for size in range(experiments):
        for _ in range(repetitions):
            loss = rng.lognormal(0, 0.1) * (factor if size < changed else 1.0)
            rows.append(("a", size, np.float32([3 * loss, loss, 1.5 * loss])))
    return pd.DataFrame(rows, columns=["dataset", "size", "val_loss"])


def test_what_differs_is_found_and_what_does_not_is_not() -> None:
    told = compare(runs(40, 10, seed=0), runs(40, 10, seed=1, factor=1.5, changed=5))
    assert list(told["size"]) == list(range(40))
    assert (told["runs_a"] == 10).all()
    for loss in ("final", "minimum"):
        assert (told[f"{loss}_p_corrected"] < 0.05).tolist() == [True] * 5 + [False] * 35
        assert (told[f"{loss}_superiority"][:5] > 0.95).all()
        assert 0.4 < told[f"{loss}_superiority"][5:].mean() < 0.6
    np.testing.assert_allclose(told["final_a"] / told["minimum_a"], 1.5, rtol=1e-6)


def test_false_alarms_are_as_rare_as_they_should_be() -> None:
    told = compare(runs(400, 8, seed=2), runs(400, 8, seed=3))
    assert 0.02 < (told["final_p"] < 0.05).mean() < 0.08
    assert (told["final_p_corrected"] >= 0.05).all()
    assert (told["final_p_corrected"] >= told["final_p"]).all()


def test_corrections_by_hand() -> None:
    """p-values .01 .04 .03 twice: Holm multiplies by 6 to 1 and never falls; Benjamini and Hochberg by 6/rank."""
    frames = [runs(3, 12, seed=seed, factor=1.1, changed=2) for seed in (4, 5)]
    told = {kind: compare(*frames, correction=kind) for kind in ("holm", "benjamini-hochberg")}
    p = np.sort(told["holm"][["final_p", "minimum_p"]].to_numpy().ravel())
    by_hand = {
        "holm": np.minimum(1, np.maximum.accumulate(p * [6, 5, 4, 3, 2, 1])),
        "benjamini-hochberg": np.minimum.accumulate((p * 6 / np.arange(1, 7))[::-1])[::-1],
    }
    for kind, expected in by_hand.items():
        corrected = np.sort(told[kind][["final_p_corrected", "minimum_p_corrected"]].to_numpy().ravel())
        np.testing.assert_allclose(corrected, np.minimum(1, expected))


def test_the_test_is_that_of_mann_and_whitney() -> None:
    a, b = runs(1, 9, seed=6), runs(1, 7, seed=7, factor=1.1, changed=1)
    one, other = ([curve[-1] for curve in frame["val_loss"]] for frame in (a, b))
    row = compare(a, b).iloc[0]
    assert row["final_p"] == pytest.approx(mannwhitneyu(one, other).pvalue)
    assert row["final_superiority"] == np.mean([[y > x for x in one] for y in other])
    assert row["final_a"] == pytest.approx(np.median(one))
    assert (row["runs_a"], row["runs_b"]) == (9, 7)
    mirrored = compare(b, a).iloc[0]
    assert mirrored["final_p"] == pytest.approx(row["final_p"])
    assert mirrored["final_superiority"] == pytest.approx(1 - row["final_superiority"])


def test_runs_that_diverged_rank_last() -> None:
    a, b = runs(1, 10, seed=8), runs(1, 10, seed=9)
    b["val_loss"] = [np.float32([1, np.nan]) if row < 6 else curve for row, curve in enumerate(b["val_loss"])]
    row = compare(a, b).iloc[0]
    assert row["final_b"] == np.inf
    assert row["final_superiority"] > 0.6
    assert row["minimum_b"] == 1.0
    b["val_loss"] = [None] * 10
    assert compare(b, b)["final_p"].item() == pytest.approx(1.0)
    assert compare(a, b)["minimum_p"].item() < 0.001


def test_data_sets_in_both_layouts_are_matched_by_their_hyperparameters(tmp_path: Path) -> None:
    penalty = {"kernel_regularizer.type": "l1", "kernel_regularizer.l1": 0.01}
    described = [
        experiment("a", "rectangle", 3, s, bowl(0.1, 8, 9), **more) for s in (256, 512) for more in ({}, penalty)
    ]
    ours = write_data_set(tmp_path / "ours", [*described, experiment("b", "rectangle", 3, 64, bowl(1, 8, 9))])
    spelt = partial(as_published, underscores=True)
    published = write_data_set(tmp_path / "published", described[::-1], 5, schema_of=spelt)
    a, b = (read(path, table="all_repetitions") for path in (ours, published))
    told = compare(a, b)
    assert len(told) == 4
    assert set(told["runs_b"]) == {5}
    np.testing.assert_allclose(told["final_a"], told["final_b"])
    assert list(compare(a, b, by=["dataset"])["runs_a"]) == [12]
    assert compare(a[a["dataset"] == "b"], b).empty


def test_what_is_wrong_is_said() -> None:
    frame = runs(2, 2, seed=0)
    with pytest.raises(InputError, match="the second frame lacks val_loss"):
        compare(frame, frame.drop(columns="val_loss"))
    with pytest.raises(InputError, match="lacks hyperparameters that the other has"):
        compare(frame[["val_loss"]], frame)
    with pytest.raises(InputError, match="correction 'none' is unknown; known are holm"):
        compare(frame, frame, correction="none")  # type: ignore[arg-type]


def test_a_run_without_a_curve_counts_as_one_that_diverged() -> None:
    losses = run_losses([np.array([3.0, 1.0, 2.0]), np.array([1.0, np.nan]), np.array([np.nan]), None])
    np.testing.assert_array_equal(losses, [[2.0, 1.0], [np.inf, 1.0], [np.inf, np.inf], [np.inf, np.inf]])
