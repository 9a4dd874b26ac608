"""A disk that is full: what is full is told, nothing half-written counts, and with more room the survey goes on."""

from __future__ import annotations

import errno
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from survey.errors import DiskFullError, TrackingError
from survey.system.files import disk_full_errors, write_text
from survey.tracking.errors import tracking_errors
from tests.support.launching import launch, launched, numbers, seeds, statuses


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A folder for a file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = mount(folder, "size=1m")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(folder: Path, options: str) -> subprocess.CompletedProcess[str]:
    command = ["mount", "-t", "tmpfs", "-o", options, "survey-test", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("seed", seeds(0))
def test_a_disk_that_is_full_at_a_random_size(seed, small_disk, undisturbed):
    out, space = small_disk / "out", undisturbed.parent / "small.yaml"
    size_kib = int(random.Random(seed).uniform(0.02, 0.9) * size_of(undisturbed) / 1024)
    assert mount(small_disk, f"remount,size={size_kib}k").returncode == 0
    arguments = (space, "--out", out, "--no-ui", "--num-cpus", 2)
    status, said = launch(*arguments)
    assert status in (1, 2), f"{size_kib} KiB: {said}"
    assert "Traceback" not in said
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said
    assert str(small_disk) in errors[0]
    assert "disk is full" in errors[0] or "No space left on device" in errors[0]
    assert mount(small_disk, "remount,size=256m").returncode == 0
    launched(*arguments)
    assert numbers(out) == numbers(undisturbed)
    assert "RUNNING" not in statuses(out)
    assert not list(out.rglob("*.tmp"))


def test_a_text_for_which_there_is_no_room_leaves_the_one_before(small_disk):
    file = small_disk / "a.json"
    write_text(file, "before")
    with (
        pytest.raises(DiskFullError, match=rf"{small_disk}.*: the disk is full; make room"),
        disk_full_errors(small_disk),
    ):
        write_text(file, "x" * (2 << 20))
    assert file.read_text() == "before"
    assert list(small_disk.iterdir()) == [file]


@pytest.mark.parametrize(
    "error",
    [OperationalError("INSERT", {}, Exception("database or disk is full")), OSError(errno.EDQUOT, "quota", "/x/a")],
)
def test_a_tracking_store_without_room_is_told(error):
    with (
        pytest.raises(DiskFullError, match=r"tracking store sqlite:///m\.db: the disk is full"),
        tracking_errors("sqlite:///m.db"),
    ):
        raise error


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(PermissionError), disk_full_errors(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(TrackingError, match="cannot be used"), tracking_errors("sqlite:///m.db"):
        raise OperationalError("INSERT", {}, Exception("database is locked"))
