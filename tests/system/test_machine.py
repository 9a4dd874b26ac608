"""What a machine has: its memory and that of a batch job on it, its disks, and files that outlive a loss of power."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pyarrow as pa
import pytest

from survey.dataset.table_writer import TableWriter
from survey.system import filesystem, machine
from survey.system.files import write_text


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("0::/\n", {"memory.max": "3000"}),
        ("0::/slurm/job_7/step_0\n", {"slurm/memory.max": "9000", "slurm/job_7/memory.max": "3000"}),
        ("12:cpu:/a\n9:memory:/slurm/job_7\n", {"memory/slurm/job_7/memory.limit_in_bytes": "3000"}),
    ],
)
def test_memory_is_what_the_container_or_the_batch_job_may_take(groups, limits, tmp_path, monkeypatch):
    (tmp_path / "of_this_process").write_text(groups)
    for name, limit in {"slurm/job_7/step_0/memory.max": "max", **limits}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{limit}\n")
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    assert min(machine._cgroup_limits(tmp_path / "of_this_process")) == 3000


def test_without_control_groups_memory_is_that_of_the_machine(tmp_path):
    assert list(machine._cgroup_limits(tmp_path / "none")) == []
    assert 0 < machine.bytes_per_core() * machine.num_cores() <= machine.memory_bytes() <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ([("/", "ext4"), ("/tmp", "tmpfs")], False),
        ([("/", "ext4"), ("{here}", "nfs4")], True),
        ([("{here}", "autofs"), ("{here}", "nfs4"), ("/", "ext4")], True),
        ([("{here}", "autofs"), ("{here}", "xfs"), ("/", "ext4")], False),
        ([("/", "lustre"), ("{here}", "xfs")], False),
    ],
)
def test_a_file_system_of_a_network_is_told_from_a_disk(mounts, expected, tmp_path, monkeypatch):
    listed = [SimpleNamespace(mountpoint=at.format(here=tmp_path), fstype=kind) for at, kind in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: listed)
    assert filesystem.on_network(tmp_path) == expected


def write_table(file: Path) -> None:
    table = pa.table({"a": [1]})
    with TableWriter(file, table.schema) as writer:
        writer.write(table)
        writer.commit()


@pytest.mark.parametrize("write", [lambda file: write_text(file, "{}"), write_table], ids=["text", "table"])
def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(write, tmp_path, monkeypatch):
    synced, replaced = [], []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor).st_ino), fsync(descriptor)))
    monkeypatch.setattr(Path, "replace", lambda file, to: (replaced.append(list(synced)), replace(file, to))[1])
    write(tmp_path / "file")
    assert replaced == [[(tmp_path / "file").stat().st_ino]]
