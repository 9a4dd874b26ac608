"""A survey of more trials than a Tune run takes."""

from __future__ import annotations

import pytest

import survey
from survey.launch import launcher
from survey.spaces.yaml_file import load_space
from survey.trials import tune
from tests.support.launching import numbers, rows
from tests.support.small_survey import EXPERIMENTS, RUNS, write_space


@pytest.mark.launch
def test_more_trials_than_a_tune_run_takes(tmp_path, undisturbed, monkeypatch):
    """Several Tune runs one after the other, with an export after each."""
    exported = []
    real = launcher.Launch._close_and_export

    def counted(launch, store, mapper):
        real(launch, store, mapper)
        exported.append(len(rows(tmp_path / "out")))

    monkeypatch.setattr(launcher.Launch, "_close_and_export", counted)
    monkeypatch.setattr(tune, "TRIALS_PER_TUNE_RUN", 3)
    result = survey.run(load_space(write_space(tmp_path)), out=tmp_path / "out", num_cpus=2)
    assert (result.num_experiments, result.num_runs_trained, result.failures) == (EXPERIMENTS, RUNS, ())
    assert exported == [9, 18, RUNS]
    assert numbers(tmp_path / "out") == numbers(undisturbed)
