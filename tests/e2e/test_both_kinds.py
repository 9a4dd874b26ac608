"""A survey on the GPUs and the cores of a machine, whose one GPU Ray counts though it is not there."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

import survey
from survey.networks.search_space import Grid, SearchSpace
from tests.support.awaiting import HANGS_S

pytestmark = pytest.mark.launch

CPUS, SHARES = 4, 2
GRID = Grid(dataset="sklearn:iris", shape="rectangle", size=[2**k for k in range(6, 15)], depth=[3, 4], epochs=20)
SPACE = SearchSpace(name="both", repetitions=2, grids=[GRID])
ASKED = {"num_cpus": CPUS, "num_gpus": 1, "gpus_per_trial": 1 / SHARES}


def events_of(folder: Path) -> list[tuple[str, str, str]]:
    """What has happened: the kind of a trial, its process, and whether it began or ended."""
    file = folder / "events"
    return [tuple(line.split()) for line in file.read_text().splitlines()] if file.exists() else []


def ended(folder: Path) -> Counter[str]:
    """How many trials of each kind have ended."""
    return Counter(kind for kind, _, what in events_of(folder) if what == "ends")


def noting_trials(folder: Path, total: dict[str, int]) -> type:
    """Trials that note their begin and end.

    The first of each kind waits until all others have ended, and those on the GPU until the others on cores have.
    """
    from survey.trials import trainable

    class SurveyTrial(trainable.SurveyTrial):
        """A trial that waits for the other kind."""

        def step(self):
            import os

            kind = "gpu" if self._configs[0]["num_gpus"] else "core"

            def note(what):
                with (folder / "events").open("a") as file:
                    file.write(f"{kind} {os.getpid()} {what}\n")

            if not self._experiments and not self._to_open:
                note("begins")
                try:
                    (folder / kind).touch(exist_ok=False)
                except FileExistsError:
                    awaited = {"core": total["core"] - 1} if kind == "gpu" else {}
                else:
                    awaited = {each: number - 1 for each, number in total.items()}
                ends = time.monotonic() + HANGS_S
                while any(ended(folder)[each] < number for each, number in awaited.items()):
                    assert time.monotonic() < ends, "others wait for this one"
                    time.sleep(0.1)
            told = super().step()
            if told["done"]:
                note("ends")
            return told

    return SurveyTrial


def test_neither_kind_of_trial_waits_for_the_other(tmp_path, monkeypatch):
    """Each kind has two places, of which its first trial holds one until all others, of both kinds, are done."""
    from survey.trials import tune

    price = survey.dry_run(SPACE, out=tmp_path / "out", **ASKED)
    total = {"gpu": price.trials["1/2 GPU"], "core": price.trials["1 CPU core"]}
    assert min(total.values()) >= 5, "both have much to train"
    notes = tmp_path / "notes"
    notes.mkdir()
    monkeypatch.setattr(tune, "SurveyTrial", noting_trials(notes, total))
    result = survey.run(SPACE, out=tmp_path / "out", console=Console(quiet=True), **ASKED)
    assert result.num_runs_done == result.num_runs == 36
    events = events_of(notes)
    assert ended(notes) == total
    training, most = Counter(), Counter()
    for kind, _, what in events:
        training[kind] += 1 if what == "begins" else -1
        most[kind] = max(most[kind], training[kind])
    assert most == {"gpu": SHARES, "core": CPUS - SHARES}
    processes = {kind: {process for each, process, _ in events if each == kind} for kind in total}
    assert {kind: len(some) for kind, some in processes.items()} == most, "each trial takes over a process of its kind"
