"""What a launch waits for before its first trial."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from survey.launch.planning import most_at_once
from tests.support.small_survey import write_space

UP_TO_RAY = """
import sys
from survey.__main__ import main
from survey.cluster import connection
from survey.errors import InputError

def connected(**_):
    heavy = "ray.tune torch mlflow sqlalchemy pandas sklearn.linear_model matplotlib".split()
    raise InputError(f"imported: {[name for name in heavy if name in sys.modules]}")

connection.connected = connected
main()
"""


def test_before_ray_starts_nothing_is_imported_for_which_there_is_time_while_it_does(tmp_path):
    command = [sys.executable, "-c", UP_TO_RAY, "launch", write_space(tmp_path), "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: imported: []\n")


@pytest.mark.parametrize(
    ("trials", "one_by_one", "num_gpus", "at_once"),
    [
        pytest.param(5, False, 0.0, 5, id="on cores"),
        pytest.param(5, True, 0.0, 15, id="each run may become a trial"),
        pytest.param(50, False, 2.0, 50, id="on GPUs and on cores beside them"),
        pytest.param(50, True, 2.0, 16, id="with an eighth of a GPU each"),
    ],
)
def test_as_many_workers_get_ready_as_trials_may_train_at_once(trials, one_by_one, num_gpus, at_once):
    plan: Any = SimpleNamespace(trials=[()] * trials, num_runs_planned=3 * trials)
    request: Any = SimpleNamespace(workload=SimpleNamespace(one_by_one=one_by_one), num_gpus=num_gpus)
    assert most_at_once(request, plan) == at_once
