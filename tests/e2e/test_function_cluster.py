"""A training function on a cluster whose other machines lack its files, or have older ones."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.functions import write, write_space
from tests.support.launching import launch, rows
from tests.support.servers import TOKEN, running

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root, for nodes that see different files"),
]

JOIN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
CURRENT, OLD, NONE = 2, 1, 0

TRAIN = """
import time
from pathlib import Path
import near
from pack.deep import DEPTH

def train(*, seed, width: int, epochs: int = 2):
    from lazy import LATE
    met = Path("MET")
    (met / f"{DEPTH}-{width}").touch()
    while len(list(met.iterdir())) < 3:  # so that each node trains one of three
        time.sleep(0.05)
    beside = Path("FOLDER/near.py")
    here = int(beside.read_text().split()[-1]) if beside.exists() else 0
    for epoch in range(epochs):
        yield {"test_loss": width / (epoch + 1), "near": near.VERSION, "deep": DEPTH, "late": LATE, "here": here}
"""
"""Says which copy of a neighbour it was trained with, and which one the machine has."""


@dataclass(frozen=True)
class Machines:
    """A cluster: its address, the folder of the user on the head, and one that all nodes share."""

    address: str
    folder: Path
    shared: Path


def write_module(folder: Path, *, version: int, text: str) -> None:
    """Write a training function, with a neighbour of this version, one that is imported late, and a package."""
    (folder / "pack").mkdir(parents=True)
    write(folder, text)
    write(folder, f"VERSION = {version}\n", "near.py")
    write(folder, "LATE = 5\n", "lazy.py")
    write(folder, "", "pack/__init__.py")
    write(folder, "BASE = 2\n", "pack/base.py")
    write(folder, "from .base import BASE\n\nDEPTH = BASE + 1\n", "pack/deep.py")
    write(folder, text, "pack/net.py")


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    """Three nodes: the user's machine, one that lacks the files, and one that has an older copy of a neighbour."""
    shared = Path(tempfile.mkdtemp(prefix="three"))
    folder, empty, old = (shared / name for name in ("user", "empty", "old"))
    empty.mkdir()
    text = TRAIN.replace("MET", str(shared / "met")).replace("FOLDER", str(folder))
    write_module(folder, version=CURRENT, text=text)
    write_module(old, version=OLD, text=text)
    places = (folder, empty, old)
    quiet = {"RAY_USAGE_STATS_ENABLED": "0"}
    with running("tests.support.cluster_of_three", *places, log=shared / "log", until="ready at ", **JOIN, **quiet):
        address = (shared / "log").read_text().partition("ready at ")[2].split()[0]
        yield Machines(address, folder, shared)
    shutil.rmtree(shared)


@pytest.mark.parametrize("train", ["line.py:train", "pack.net:train"])
def test_source_and_neighbours_reach_nodes_that_lack_them_or_have_older_ones(machines, train):
    met = machines.shared / "met"
    met.mkdir()
    name = train.partition(".")[0]
    space = write_space(machines.folder, "[{width: [1, 2, 3]}]", name=name, train=train, repetitions=1)
    out = machines.shared / f"out-{name}"
    status, said = launch(space, "--out", out, "--address", machines.address, "--no-ui", cwd=machines.folder, **JOIN)
    shutil.rmtree(met)
    assert status == 0, said
    runs = rows(out)
    assert sorted(curve[0] for curve in runs["here"]) == [NONE, OLD, CURRENT], "each node has trained"
    assert [curve.tolist() for curve in runs["near"]] == [[CURRENT, CURRENT]] * 3
    assert [curve.tolist() for curve in runs["deep"]] == [[3, 3]] * 3
    assert [curve.tolist() for curve in runs["late"]] == [[5, 5]] * 3
    assert runs["source_digest"].nunique() == 1
