"""What a launch waits for before its first trial."""

from __future__ import annotations

import subprocess
import sys

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
