"""A user without a home folder that can be written, as in a container that runs with any user id."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.nobody import as_nobody

LOOK = """
import os
from pathlib import Path
from survey.system.home import ensure_home
ensure_home()
ensure_home()
Path("~/ray_results").expanduser()  # as Tune does when it is imported
made = Path(os.environ.get("MPLCONFIGDIR", Path.home()))
(made / "x").touch()
print(Path.home(), made, oct(made.stat().st_mode)[-3:])
"""


@pytest.mark.parametrize("home", [[], ["env", "HOME=/nonexistent"], ["env", "HOME=/"]])
def test_who_has_none_gets_one_while_the_process_lives(home, tmp_path):
    environment = {name: each for name, each in os.environ.items() if name not in ("HOME", "MPLCONFIGDIR", "TMPDIR")}
    command = [*as_nobody(tmp_path), *home, sys.executable, "-c", LOOK]
    looked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd="/")
    assert looked.returncode == 0, looked.stderr
    found, made, mode = looked.stdout.split()
    assert Path(made).name.startswith("survey-")
    assert found == ("/" if "HOME=/" in home else made), "one that can be read stays: it may hold credentials"
    assert mode == "700"
    assert not Path(made).exists()


@pytest.mark.launch
def test_a_survey_of_such_a_user_is_done_and_says_nothing_more_than_others(long):
    said = (long.parent / "said").read_text()
    assert "1 experiment, 2 of 2 runs done" in said
    assert (long / "report" / "index.html").is_file()
    assert "atplotlib" not in said
    assert "arning" not in said
    assert "Traceback" not in said
