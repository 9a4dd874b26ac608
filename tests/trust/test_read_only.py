"""A stranger's output is looked at and stays as it is, to the last byte and time."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from analysis import combine, read
from analysis.advice.advice import recommend
from analysis.advice.budget import Budget
from analysis.compare import compare
from analysis.recommend.__main__ import regrets
from analysis.report.__main__ import command as report_command
from survey.errors import InputError
from survey.status import status as status_command
from survey.status import survey_status
from tests.support.analysis_data import DIGITS, grid, mixed_data_set, write_data_set
from tests.support.commands import run_here
from tests.support.export_data import Survey


def seen(folder: Path) -> dict[str, tuple]:
    """All that can be seen of a folder: a file that was there for a moment has changed the time of its folder."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.lstat().st_mode,
            hashlib.sha256(path.read_bytes()).digest() if path.is_file() else None,
        )
        for path in [folder, *folder.rglob("*")]
    }


@contextmanager
def unchanged(*folders: Path) -> Iterator[None]:
    """See that folders stay as they are; who is not root could not change them anyhow."""
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
    before = [seen(folder) for folder in folders]
    assert all(before)
    try:
        yield
    finally:
        after = [seen(folder) for folder in folders]
        for folder in folders:
            for path in [folder, *folder.rglob("*")]:
                path.chmod(0o755 if path.is_dir() else 0o644)
    assert after == before


@pytest.fixture
def stranger(exported: Survey) -> Path:
    """The output of a launch that died: its store holds runs, and a note says that it lies elsewhere."""
    elsewhere = exported.output.folder.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(exported.output.database, elsewhere / "mlflow.db")
    note = {"host": socket.gethostname(), "file": str(elsewhere / "mlflow.db"), "artifacts": None}
    exported.output.store_note.write_text(json.dumps(note))
    for name in ("mlflow.db-wal", "mlflow.db-shm"):
        (exported.output.folder / name).unlink(missing_ok=True)
    return exported.output.folder


def test_a_status_changes_nothing(stranger):
    num_runs = len(read(stranger / "dataset", table="all_repetitions", columns=["run_id"]))
    with unchanged(stranger, stranger.parent / "elsewhere"):
        status = survey_status(stranger, read_only=True)
        told = run_here(status_command, stranger, "--read-only", "--json", "--watch").stdout
    assert status.num_runs_done == json.loads(told)["num_runs_done"] == num_runs > 0


def test_a_store_is_not_opened_at_all(stranger):
    (stranger / "mlflow.db").write_text("no database")
    shutil.rmtree(stranger / "dataset")
    assert survey_status(stranger, read_only=True).num_runs_done == 0


def test_reading_combining_and_comparing_change_nothing(stranger, tmp_path):
    dataset = stranger / "dataset"
    other = shutil.copytree(dataset, tmp_path / "other")
    with unchanged(stranger, other):
        assert len(read(dataset)) == len(read(other))
        assert combine(dataset, other, out=tmp_path / "one").num_equal > 0
        runs = read(dataset, table="all_repetitions")
        with suppress(InputError):  # too few runs
            compare(runs, runs)


def test_advice_changes_nothing(tmp_path):
    tasks = [each for name in (DIGITS, "nursery", "537_houses", "sklearn:iris") for each in grid(name)]
    dataset = write_data_set(tmp_path / "dataset", tasks, 2)
    with unchanged(dataset):
        recommend(dataset, 100, 20, 3, "classification", Budget(60, None, None))
        regrets(dataset, Budget(60, None, None))


@pytest.mark.usefixtures("without_figures")
def test_a_report_is_written_elsewhere_alone(stranger, tmp_path):
    dataset, beside = stranger / "dataset", tmp_path / "report"
    (tmp_path / "link").symlink_to(stranger)
    with unchanged(stranger, stranger.parent / "elsewhere"):
        with pytest.raises(InputError, match="set --out outside of"):
            report_command(dataset, read_only=True)
        for inside in (
            stranger,
            stranger / "report",
            dataset / "x",
            tmp_path / "link" / "report",
            beside / ".." / "out",
        ):
            with pytest.raises(InputError, match=f"is in {stranger}"):
                report_command(dataset, out=inside, read_only=True)
        assert report_command(dataset, out=beside, read_only=True) == 0
        assert report_command(tmp_path / "link" / "dataset", out=beside, read_only=True) == 0
    assert sorted(file.name for file in beside.iterdir()) == ["explore.html", "index.html"]
    assert '<a href="explore.html">' in (beside / "index.html").read_text()


@pytest.mark.usefixtures("without_figures")
def test_beside_a_data_set_that_is_in_no_output_there_is_room_for_a_report(tmp_path):
    dataset = mixed_data_set(tmp_path / "published")
    with unchanged(dataset):
        assert report_command(dataset, out=tmp_path / "report", read_only=True) == 0
        with pytest.raises(InputError, match=f"is in {dataset}"):
            report_command(dataset, out=dataset / "report", read_only=True)
