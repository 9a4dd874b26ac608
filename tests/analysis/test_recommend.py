"""Advice for a task that was not surveyed: rules, budgets, evidence, and how it is judged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis import recommend
from analysis.advice.advice import RULE
from analysis.advice.budget import costs, within
from analysis.advice.fitted import fitted_epochs
from analysis.advice.regret import Verdict, leave_one_out
from analysis.advice.rules import (
    RULES,
    Candidate,
    best,
    fixed_default,
    log_ratios,
    mean_rank,
    nearest_rank,
    normalised_ranks,
)
from analysis.advice.surveyed import SETTINGS, Surveyed, surveyed
from analysis.advice.task import Task
from analysis.recommend import Budget
from analysis.recommend.__main__ import command
from survey.errors import InputError
from survey.networks.topology import layer_widths
from survey.workloads.metrics import log_spaced_epochs
from tests.support.analysis_data import bowl, experiment, write_data_set
from tests.support.commands import run_here

TASKS = {"sklearn:iris": 10, "sklearn:wine": 10, "sklearn:digits": 12, "wine_quality_white": 12, "537_houses": 12}
"""Tasks, and the base-2 logarithm of the size that is best on each."""

EPOCH = 30
"""The epoch that is best on all of them, of 60."""


def _experiments(factor):
    """A grid on which a setting's loss is a factor times a bowl over size and epoch."""
    return [
        experiment(task, shape, depth, 2**k, bowl(factor(shape, depth, rate), size, EPOCH), learning_rate=rate)
        for task, size in TASKS.items()
        for shape in ("rectangle", "trapezoid")
        for depth in (2, 3)
        for rate in (1e-2, 1e-3)
        for k in (8, 10, 12)
    ]


def _deep_and_fast(shape: str, depth: int, rate: float) -> float:
    return 0.1 * (1.0 if depth == 2 else 1.1) * (1.0 if rate == 1e-2 else 1.3) * (1.0 if shape == "trapezoid" else 1.05)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("advice") / "dataset", _experiments(_deep_and_fast), repetitions=1)


@pytest.fixture(scope="module")
def default_is_best(tmp_path_factory) -> Path:
    def factor(shape, depth, rate):
        return 0.1 if (shape, depth, rate) == ("rectangle", 3, 1e-3) else 0.2

    def surface(least):
        return lambda size, epochs: least * (1 + 1 / (np.log2(size) * epochs))

    experiments = [
        {**each, "surface": surface(factor(each["shape"], each["depth"], each["learning_rate"]))}
        for each in _experiments(factor)
    ]
    return write_data_set(tmp_path_factory.mktemp("default") / "dataset", experiments, repetitions=1)


# ---------------------------------------------------------------- what is recommended


def test_what_is_best_everywhere_is_recommended_with_its_evidence(dataset):
    advice = recommend(dataset, 1000, 20, 3, "classification", 60)
    first = advice.settings.iloc[0]
    assert (first["shape"], first["depth"]) == ("trapezoid", 2)
    assert first["learning_rate"] == np.float32(1e-2)
    assert first["size"] in (1024, 4096)
    assert abs(first["epochs"] - EPOCH) <= 3
    widths, parameters = layer_widths("trapezoid", int(first["size"]), 2, 20, 3)
    assert (tuple(first["widths"]), first["num_free_parameters"]) == (widths, parameters)
    assert 1 <= first["loss_ratio"] <= first["worst_ratio"] < 1.5
    assert advice.settings["score"].is_monotonic_increasing
    assert not advice.settings.duplicated(["shape", "size", "depth", "learning_rate"]).any()

    values = advice.alternatives.set_index(["name", "value"])
    assert values.loc[("learning_rate", np.float32(1e-3)), "num_better"] == len(TASKS)
    assert values.loc[("depth", 3), "loss_ratio"] == pytest.approx(1.1 * first["loss_ratio"], rel=1e-3)
    assert set(advice.alternatives["name"]) == {"shape", "size", "depth", "learning_rate", "epochs"}
    assert advice.alternatives.groupby("name")["is_chosen"].sum().eq(1).all()
    assert list(advice.tasks["distance"]) == sorted(advice.tasks["distance"])
    assert (advice.tasks["best_epoch"] - EPOCH).abs().max() <= 3
    assert advice.verdict.is_better


def test_what_the_data_cannot_tell_is_said(dataset):
    statements = "\n".join(recommend(dataset, 1000, 20, 3, "classification", 60).statements)
    assert "learning_rate: 0.01 is the greatest" in statements
    assert "size: the data cannot tell" in statements, "two tasks want 2^10, three want 2^12"
    assert "still falling" not in statements
    short = "\n".join(recommend(dataset, 1000, 20, 3, "classification", 10).statements)
    assert "still falling at the last allowed one, 10" in short
    far = "\n".join(recommend(dataset, 10**7, 900, 90, "classification", 300).statements)
    assert "is far from this one: this is an extrapolation" in far
    assert "the survey ends at 60; the effect of the other 240 is unknown" in far


def test_where_the_fixed_default_is_as_good_nothing_is_recommended(default_is_best):
    advice = recommend(default_is_best, 1000, 20, 3, "classification", 60)
    assert advice.settings.empty
    assert not advice.verdict.is_better
    (statement,) = advice.statements
    assert statement.startswith("nothing is recommended: on the surveyed tasks")
    assert "rectangle, size 4096, depth 3, learning rate 0.001, all epochs" in statement


@pytest.mark.parametrize(
    ("budget", "column", "limit"),
    [
        (Budget(epochs=12), "epochs", 12),
        (Budget(parameters=1100), "num_free_parameters", 1100),
        (Budget(seconds=0.7), "seconds", 0.7),
        (Budget(epochs=20, parameters=300), "num_free_parameters", 300),
    ],
)
def test_nothing_beyond_the_budget_is_recommended(dataset, budget, column, limit):
    settings = recommend(dataset, 200, 20, 3, "classification", budget, count=100).settings
    assert len(settings)
    assert settings[column].max() <= limit


def test_seconds_are_those_of_the_runs_for_as_many_rows(dataset):
    data = surveyed(dataset)
    per_row = costs(dataset, data).row_epoch_s
    rows = sorted(task.rows for task in data.tasks)
    # Each run took 12.5 s for 60 epochs (tests/support/analysis_data.py), whatever its rows.
    assert per_row == pytest.approx(np.full(len(per_row), 12.5 / 60 / np.median(rows)), rel=1e-5)


def test_the_fits_foretell_the_epoch_of_a_size_between_the_surveyed():
    epochs = log_spaced_epochs(1000, 40)
    sizes = [2**k for k in (6, 8, 10, 12)]
    settings = pd.DataFrame([("rectangle", size, 3, 1e-3) for size in sizes], columns=list(SETTINGS))

    def least_at(size):
        return (0.08 * np.log10(size) - 0.02) ** -3

    known = np.array([0.1 + np.log10(epochs / least_at(size)) ** 2 for size in sizes])
    falling = np.array([1.0 / epochs for _ in sizes])
    tasks = tuple(Task(name, "regression", 100, 4, 1) for name in ("known", "still falling"))
    data = Surveyed(tasks, settings, epochs, np.stack([known, falling]), ("", ""))
    fitted = fitted_epochs(data, np.ones(4, bool), 512)
    assert fitted[0] == pytest.approx(least_at(512), rel=0.05)
    assert np.isnan(fitted[1])


def test_a_size_that_no_network_of_the_task_comes_near_is_not_recommended(dataset):
    settings = recommend(dataset, 1000, 500, 3, "classification", 60, count=100).settings
    assert 256 not in set(settings["size"])


# ---------------------------------------------------------------- the rules


@given(hnp.arrays(np.float64, (2, 3, 4), elements=st.floats(0.1, 9) | st.just(np.inf) | st.just(np.nan)))
def test_ranks_are_normalised_and_keep_the_order(losses):
    ranks = normalised_ranks(losses)
    assert np.array_equal(np.isnan(ranks), np.isnan(losses))
    for values, ranked in zip(losses.reshape(2, -1), ranks.reshape(2, -1), strict=True):
        known = ~np.isnan(values)
        assert ((ranked[known] > 0) & (ranked[known] <= 1)).all()
        if known.any():
            # The mean of n ranks divided by n, whatever is equal.
            assert ranked[known].mean() == pytest.approx((known.sum() + 1) / 2 / known.sum())
            left, right = values[known][:, None], values[known][None]
            assert np.array_equal(left < right, ranked[known][:, None] < ranked[known][None])


def _random(seed: int, tasks: int = 5) -> Surveyed:
    rng = np.random.default_rng(seed)
    settings = pd.DataFrame(
        [("rectangle", 2**k, depth, rate) for k in (8, 12) for depth in (2, 3) for rate in (1e-2, 1e-3)],
        columns=["shape", "size", "depth", "learning_rate"],
    )
    losses = rng.lognormal(size=(tasks, len(settings), 6))
    losses[0, 1] = np.nan
    losses[1, 2, 3:] = np.inf
    made = tuple(Task(f"t{k}", "classification", 10 ** (k + 1), 4, 3) for k in range(tasks))
    return Surveyed(made, settings, np.array([1, 2, 4, 8, 16, 32]), losses, ("",) * tasks)


@pytest.mark.parametrize("seed", range(5))
def test_leaving_one_out_is_what_it_is_by_hand(seed):
    data = _random(seed)
    verdict = leave_one_out(data, mean_rank, Budget(epochs=16))
    ratios = []
    for number, regret in enumerate(verdict.regrets):
        own = data.losses[number, :, :5]
        candidates = [(s, e) for s in range(8) for e in range(5) if not np.isnan(own[s, 0])]
        others = [k for k in range(5) if k != number]
        means = {}
        for s, e in candidates:
            ranks = []
            for other in others:
                table = {c: data.losses[other][c] for c in candidates if not np.isnan(data.losses[other][c])}
                if (s, e) in table:
                    below = sum(v < table[s, e] for v in table.values())
                    equal = sum(v == table[s, e] for v in table.values())
                    ranks.append((below + (equal + 1) / 2) / len(table))
            means[s, e] = np.mean(ranks)
        chosen = min(means, key=means.__getitem__)
        least = min(own[c] for c in candidates)
        assert regret.best_loss == least
        assert regret.chosen_ratio == pytest.approx(own[chosen] / least)
        assert regret.default_ratio == pytest.approx(own[7, 4] / least), "2^12, depth 3, learning rate 1e-3"
        ratios.append(min(own[chosen] / least, 10))
    assert verdict.chosen_ratio == pytest.approx(np.exp(np.mean(np.log(ratios))))
    assert verdict.wins + verdict.losses <= len(verdict.regrets) == 5


def test_the_validation_loss_chooses_and_the_test_loss_judges():
    data = _random(0)
    validation = data.losses[:, ::-1].copy()  # what it thinks best is what the test set thinks of another setting
    both = Surveyed(**{**vars(data), "validation": validation})
    as_test = Surveyed(**{**vars(data), "losses": validation})
    task = data.tasks[0]
    for rule in RULES.values():
        np.testing.assert_array_equal(rule(both, task), rule(as_test, task))
    for number, regret in enumerate(leave_one_out(both, mean_rank, Budget()).regrets):
        known = np.where(np.isfinite(data.losses[number]) & ~np.isnan(validation[number]), validation[number], np.inf)
        best_one = np.unravel_index(known.argmin(), known.shape)
        assert regret.best_loss == data.losses[number][best_one]
        assert both.least[number] == regret.best_loss
    assert both.only(np.ones(8, bool), data.epochs < 4).choosing.shape == (5, 8, 2)
    assert np.isnan(both.masked(np.zeros((8, 6), bool)).choosing).all()
    np.testing.assert_array_equal(both.without(1).choosing, validation[[0, 2, 3, 4]])


@pytest.mark.parametrize(
    ("wins", "losses", "is_better"), [(4, 0, True), (3, 0, False), (7, 1, True), (4, 3, False), (0, 0, False)]
)
def test_a_rule_that_may_be_better_by_chance_gives_no_advice(wins, losses, is_better):
    assert Verdict((), chosen_ratio=1.5, default_ratio=2.0, wins=wins, losses=losses).is_better == is_better
    assert not Verdict((), chosen_ratio=2.0, default_ratio=2.0, wins=wins, losses=losses).is_better


def test_the_task_that_is_left_out_has_no_say():
    data = _random(0)
    changed = data.losses.copy()
    changed[3] = changed[3][:, ::-1]
    one = leave_one_out(data, nearest_rank, Budget()).regrets[3].chosen
    assert one == leave_one_out(Surveyed(**{**vars(data), "losses": changed}), nearest_rank, Budget()).regrets[3].chosen


def test_the_nearest_tasks_count_most():
    data = _random(1, tasks=4)
    losses = np.ones_like(data.losses)
    losses[:2, 0, 2] = 0.5  # small tasks
    losses[2:, 7, 4] = 0.5  # large ones
    data = Surveyed(**{**vars(data), "losses": losses})
    small, large = (Task("new", "classification", rows, 4, 3) for rows in (20, 20_000))
    assert best(data, nearest_rank(data, small)) == Candidate(0, 2)
    assert best(data, nearest_rank(data, large)) == Candidate(7, 4)


def test_the_smallest_network_wins_a_tie():
    data = _random(2)
    flat = Surveyed(**{**vars(data), "losses": np.ones_like(data.losses)})
    found = best(flat, mean_rank(flat, flat.tasks[0]))
    assert found is not None
    assert (data.settings["size"].iloc[found.setting], found.epoch) == (256, 0)


def test_a_loss_that_is_not_finite_is_worst_and_counts_tenfold():
    data = _random(3)
    ratios = log_ratios(data.losses)
    assert ratios[1, 2, 4] == pytest.approx(np.log(10))
    assert normalised_ranks(data.losses)[1, 2, 3:].min() == normalised_ranks(data.losses)[1][~np.isnan(ratios[1])].max()


def test_the_fixed_default_is_what_is_nearest_to_it():
    data = _random(4)
    found = fixed_default(data)
    assert found is not None
    row = data.settings.iloc[found.setting]
    assert (row["size"], row["depth"], row["learning_rate"], found.epoch) == (4096, 3, 1e-3, 5)
    assert len(RULES) == 4


def test_experiments_of_a_search_space_alone(dataset):
    data = surveyed(dataset, "pilot_sweep")  # depth 2, see tests/support/analysis_data.py
    assert set(data.settings["depth"]) == {2}
    assert set(recommend(dataset, 100, 20, 3, "classification", 60, sweep="pilot_sweep").settings["depth"]) <= {2}
    with pytest.raises(InputError, match="'pilot_swept' is not in the table"):
        surveyed(dataset, "pilot_swept")


def test_candidates_within_a_budget(dataset):
    data = surveyed(dataset)
    task = Task("new", "classification", 100, 4, 3)
    allowed = within(data, task, Budget(epochs=10, parameters=2000), None)
    assert (data.epochs[allowed.any(0)] <= 10).all()
    assert set(data.settings["size"][allowed.any(1)]) == {256, 1024}
    assert np.isnan(data.masked(allowed).losses[:, ~allowed]).all()


# ---------------------------------------------------------------- what is refused


def test_misuse_is_told(dataset, tmp_path):
    with pytest.raises(InputError, match="expected positive numbers, classification or regression"):
        recommend(dataset, 0, 4, 3, "classification", 60)
    with pytest.raises(InputError, match="kind 'sorting'"):
        recommend(dataset, 10, 4, 3, "sorting", 60)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a budget of 0 epochs: expected more than 0"):
        recommend(dataset, 10, 4, 3, "classification", 0)
    with pytest.raises(InputError, match="no surveyed setting is within this budget"):
        recommend(dataset, 10, 4, 3, "classification", Budget(parameters=10))
    few = [each for each in _experiments(_deep_and_fast) if each["dataset"] in ("sklearn:iris", "537_houses")]
    with pytest.raises(InputError, match=r"has 2 tasks; judging advice .* needs at least 4"):
        recommend(write_data_set(tmp_path / "few", few, repetitions=1), 10, 4, 3, "classification", 60)


@pytest.mark.launch
def test_the_command_line_reads_the_new_task_from_a_file(dataset, tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / "new.csv"
    frame = pd.DataFrame(rng.normal(size=(500, 6)), columns=list("abcdef"))
    frame.assign(kind=rng.choice(["good", "bad", "so-so"], 500)).to_csv(file, index=False)
    line = [sys.executable, "-m", "analysis.recommend", dataset, "--like", file, "--target", "kind"]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    result = subprocess.run(
        [*line, "--budget-epochs", "60"], capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.startswith("classification, 500 rows, 6 inputs, 3 outputs\nJudged on 5 surveyed tasks")
    api = recommend(dataset, 500, 6, 3, "classification", 60)
    first = api.settings.iloc[0]
    assert f"{first['shape']}  {first['size']}" in result.stdout
    for statement in api.statements:
        assert f"- {statement}\n" in result.stdout


def test_the_command_line_refuses_in_one_message(dataset, tmp_path):
    result = run_here(command, dataset, "--budget-epochs", "60")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: expected --like FILE and --target COLUMN of the new task, or --regret\n"
    result = run_here(command, tmp_path / "none", "--regret")
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_the_regret_table_has_every_task_and_rule(dataset):
    result = run_here(command, dataset, "--regret", "--budget-epochs", "60")
    assert result.returncode == 0, result.stderr
    verdict = leave_one_out(surveyed(dataset, epoch=60), RULES[RULE], Budget(epochs=60))
    for regret in verdict.regrets:
        assert f"| {regret.task} | {regret.best} ({regret.best_loss:.3g}) | {regret.chosen} |" in result.stdout
    for name in RULES:
        assert f"| {name} | " in result.stdout
    assert f"| geometric mean | | | {verdict.chosen_ratio:.3f} | {verdict.default_ratio:.3f} |" in result.stdout
