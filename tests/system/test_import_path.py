"""A folder or file of the user's that is called as a package of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from survey.spaces.yaml_file import built_in_names
from survey.system.import_path import ROOT, forget_working_folder, own_package

FORBIDDEN = "raise SystemExit('this is not what you want to import')\n"


@pytest.fixture
def misleading(tmp_path) -> Path:
    """A working folder with such folders; the one called `survey` has no code in it."""
    for name in ("analysis", "search_spaces"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(FORBIDDEN)
    (tmp_path / "survey").mkdir()
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_knows_the_built_in_search_spaces_there(misleading):
    """As the script that pip installs: without the working folder on Python's path."""
    script = ("-P", "-c", "from survey.__main__ import main; main()")
    assert "Plan for" in run(misleading, *script, "launch", "--dry-run", "--limit", "1")


def test_python_m_knows_them_too(misleading):
    (misleading / "survey").rmdir()
    assert "Plan for" in run(misleading, "-m", "survey.launch", "--dry-run", "--limit", "1")
    assert "quickstart" in built_in_names()


THEIRS = """
import sys
import analysis
from survey.system.import_path import own_package
with own_package("analysis"):
    from analysis.reading.labels import describe
    print(describe.__module__, sys.modules["analysis"].__file__)
    import analysis as ours
    assert ours is not analysis
from survey.launch.result import import_report_early
import_report_early()
assert "matplotlib.figure" not in sys.modules
from analysis import mine
print(sys.modules["analysis"] is analysis, "analysis.reading.labels" in sys.modules, mine)
"""


def test_a_program_with_an_analysis_of_its_own_gets_ours_for_the_report_and_keeps_its_own(tmp_path):
    """And while trials train, nothing is imported in its place."""
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "__init__.py").write_text("mine = 3\n")
    (tmp_path / "program.py").write_text(THEIRS)
    found = run(tmp_path, "program.py").split()
    assert found == ["analysis.reading.labels", str(ROOT / "analysis" / "__init__.py"), "True", "False", "3"]


def test_ours_is_imported_once():
    import analysis

    with own_package("analysis"):
        assert sys.modules["analysis"] is analysis
    assert sys.modules["analysis"] is analysis


def test_the_working_folder_is_forgotten_once_and_what_is_asked_for_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path), "/lib"])
    forget_working_folder()
    assert sys.path == [str(tmp_path), "/lib"], "the second is from PYTHONPATH"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT), "/lib"])
    forget_working_folder()
    assert sys.path == [str(ROOT), "/lib"]
