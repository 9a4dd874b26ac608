"""What a launch keeps from other users and other machines: its temporary folder, Ray's token, Ray's ports."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from survey.cluster import own_ray
from survey.errors import InputError
from survey.system import private_folder
from survey.system.private_folder import PrivateFolder
from tests.support.exposure import others_reach

SESSION = "/r/session_2026-12-31_23-59-59_999999_4194304/sockets/dash_MetricsHead"


def test_during_a_local_launch_nothing_listens_but_on_loopback(undisturbed):
    listeners, _ = json.loads((undisturbed.parent / "exposure.json").read_text())
    assert {"gcs_server", "raylet", "ray::Dashb", "ray::Runti", "ray::Surve"} <= {name[:10] for name, _ in listeners}
    assert others_reach(listeners) == []


def test_its_files_and_its_token_are_its_users_alone_and_gone_with_it(undisturbed):
    _, folders = json.loads((undisturbed.parent / "exposure.json").read_text())
    ((folder, modes),) = folders.items()
    assert modes == [0o700, 0o600]
    assert not Path(folder).exists()


@pytest.fixture
def place(monkeypatch) -> Path:
    """The place where temporary folders are to be made: of a short path, as Ray's sockets need it."""
    with PrivateFolder() as outer:
        place = outer.path.parent / outer.path.name[-6:]
        place.mkdir(mode=0o777)
        monkeypatch.setenv("TMPDIR", str(place))
        monkeypatch.delenv("RAY_TMPDIR", raising=False)
        yield place
        for each in place.iterdir():
            each.rename(outer.path / each.name)
        place.rmdir()


def test_a_private_folder_is_short_and_goes_with_all_that_is_in_it(place):
    with PrivateFolder() as folder:
        assert folder.path.parent == place
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert len(f"{folder.path}{SESSION}") <= 107
        (folder.path / "r" / "session").mkdir(parents=True)
    assert not list(place.iterdir())


@pytest.mark.parametrize("name", ["x" * 60, "naïve", "nowhere", "/proc", "open"])
def test_a_tmpdir_that_does_not_do_is_left_alone(name, place, monkeypatch):
    """Too long for Ray's sockets, of letters that Ray cannot take, not to be written, or open to all."""
    folder = place / name
    monkeypatch.setenv("TMPDIR", str(folder))
    if name not in ("nowhere", "/proc"):
        folder.mkdir()
        folder.chmod(0o777 if name == "open" else 0o700)
    with PrivateFolder() as made:
        assert made.path.parent == Path("/tmp")


def test_where_no_place_does_each_is_named_with_what_is_wrong(monkeypatch, tmp_path):
    monkeypatch.setattr(private_folder, "_LONGEST", 3)
    monkeypatch.setenv("TMPDIR", "/dé")
    monkeypatch.setenv("RAY_TMPDIR", "here")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    with pytest.raises(InputError) as error, PrivateFolder():
        pass
    assert str(error.value) == (
        "no temporary folder on this machine is suitable: RAY_TMPDIR=here (not an absolute path), TMPDIR=/dé (not "
        "plain ASCII), /tmp (4 bytes long), /var/tmp (8 bytes long), XDG_RUNTIME_DIR=/run/user/1 (11 bytes long); set "
        "TMPDIR to a writable folder on a disk of this machine, whose path is plain ASCII and no longer than 3 "
        "bytes"
    )


HOLD = """
from survey.system.private_folder import PrivateFolder
folder = PrivateFolder().__enter__()
(folder.path / "r").mkdir()
print(folder.path, flush=True)
input()
"""


def test_what_a_killed_process_has_left_goes_and_what_a_living_one_has_stays(place):
    def start() -> tuple[subprocess.Popen, Path]:
        process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=-1, stdout=-1, text=True)
        assert process.stdout
        return process, Path(process.stdout.readline().strip())

    (killed, left), (living, held) = start(), start()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    other, link, short = place / "survey-anybodys", place / "survey-linked00", place / "survey-mlflow-12345678"
    for folder in (other, short):
        folder.mkdir()
    link.symlink_to(held)
    assert left.exists()
    with PrivateFolder() as folder:
        assert sorted(place.iterdir()) == sorted([folder.path, held, other, link, short])
    living.communicate("\n")
    assert held.exists(), "it has not said that it leaves"


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_what_another_user_has_left_is_not_touched(place):
    theirs = place / "survey-theirs00"
    theirs.mkdir()
    (theirs / "survey.lock").touch()
    os.chown(theirs, 12345, 12345)
    with PrivateFolder():
        assert (theirs / "survey.lock").exists()


def test_the_environment_is_as_it_was_after_ray_has_failed_to_start(tmp_path, monkeypatch):
    def init(**arguments):
        assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "auth_token")
        assert "RAY_AUTH_TOKEN" not in os.environ
        assert stat.S_IMODE((tmp_path / "auth_token").stat().st_mode) == 0o600
        assert len((tmp_path / "auth_token").read_text().strip()) == 64
        assert Path(arguments["_temp_dir"]).parent == tmp_path, "Ray opens that folder to all"
        raise RuntimeError

    monkeypatch.setattr(own_ray.ray, "init", init)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of a cluster")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    before = dict(os.environ)
    with pytest.raises(RuntimeError):
        own_ray.start_ray(tmp_path, {"X": "1"}, own_ray.Workers(1, "survey"))
    assert dict(os.environ) == before
