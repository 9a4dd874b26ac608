"""Workers that are lost: when that counts as a failure of their trial."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pytest
from ray.exceptions import RayActorError

from survey.trials.lost_workers import LostWorkers


@pytest.mark.parametrize(
    ("epochs", "error", "failures"),
    [
        ([10, 20, 30, 40], RayActorError(), 0),
        ([10, 10, 5, 10], RayActorError(), 3),
        ([0, 0, 0], RayActorError(), 3),
        ([10, 20, 30], ValueError(), 3),
    ],
)
def test_a_lost_worker_counts_as_a_failure_where_its_trial_has_come_no_further(epochs, error, failures, tmp_path):
    callback, counted = LostWorkers(), SimpleNamespace(num_failures=0)
    (tmp_path / "error.pkl").write_bytes(pickle.dumps(error))
    for epoch in epochs:
        counted.num_failures += 1
        trial = SimpleNamespace(
            trial_id="t",
            last_result={"epoch": epoch},
            run_metadata=counted,
            pickled_error_file=str(tmp_path / "error.pkl"),
        )
        callback.on_trial_recover(1, [], trial)
    assert counted.num_failures == failures
