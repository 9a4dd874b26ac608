"""Faults and lengths that a survey has to survive: each ends in the numbers of a survey that nobody disturbed."""

from __future__ import annotations

from conftest import EXPERIMENTS, RUNS, rows, write_space
from test_launch import numbers

import survey
from survey import driver, fit
from survey.space_file import load_space


def test_more_trials_than_a_tune_run_takes(tmp_path, undisturbed, monkeypatch):
    """Several Tune runs one after the other, with an export after each."""
    exported = []
    real = driver.Launch._close_and_export

    def counted(launch, store):
        real(launch, store)
        exported.append(len(rows(tmp_path / "out")))

    monkeypatch.setattr(driver.Launch, "_close_and_export", counted)
    monkeypatch.setattr(fit, "TRIALS_PER_TUNE_RUN", 3)
    result = survey.run(load_space(write_space(tmp_path)), out=tmp_path / "out", num_cpus=2)
    assert (result.num_experiments, result.num_runs_trained, result.failures) == (EXPERIMENTS, RUNS, ())
    assert exported == [9, 18, RUNS]
    assert numbers(tmp_path / "out") == numbers(undisturbed)
