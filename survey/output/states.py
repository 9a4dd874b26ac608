"""States in which runs have ended, kept on request: an experiment of more epochs goes on from there.

A file holds the state of runs that were trained together. Its name says which: of experiments that are alike but for
their number of epochs, that number, and the repetitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from survey.plan.bundles import KeptState
from survey.text.counting import ranges
from survey.workloads.experiment import Experiment

_MOST_LETTERS = 150
"""Of the repetitions in a name; with more, which only very strewn ones have, no state is kept."""

_NAME = re.compile(r"([0-9a-f]{16})-e([0-9]{1,8})-r([0-9]{1,5}(?:-[0-9]{1,5})?(?:_[0-9]{1,5}(?:-[0-9]{1,5})?)*)\.pt")
"""Five digits hold all repetitions, and no name from a stranger stands for billions of them."""


class States:
    """The kept states of an output.

    Args:
        folder: Their folder, made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kept(self) -> dict[int, list[KeptState]]:
        """Return what is kept, by `Experiment.prefix_id`."""
        found: dict[int, list[KeptState]] = {}
        for name in self._names():
            prefix, epochs, repetitions = name.groups()
            found.setdefault(int(prefix, 16), []).append(KeptState(int(epochs), _numbers(repetitions)))
        return found

    def file(self, experiment: Experiment, repetitions: Sequence[int], epochs: int) -> Path | None:
        """Return the file of some runs of an experiment after `epochs` epochs; None if it cannot be named."""
        words = "_".join(ranges(repetitions))
        if len(words) > _MOST_LETTERS:
            return None
        return self._folder / f"{experiment.prefix_id:016x}-e{epochs}-r{words}.pt"

    def remove(self, prefix_ids: Iterable[int] | None = None) -> tuple[int, int]:
        """Remove the states of experiments, or all; return how many there were, and their bytes."""
        wanted = None if prefix_ids is None else set(prefix_ids)
        files = [self._folder / name[0] for name in self._names() if wanted is None or int(name[1], 16) in wanted]
        num_bytes = 0
        for file in files:
            with suppress(FileNotFoundError):
                num_bytes += file.stat().st_size
                file.unlink()
        with suppress(OSError):
            self._folder.rmdir()
        return len(files), num_bytes

    def _names(self) -> list[re.Match[str]]:
        try:
            return [match for file in sorted(self._folder.iterdir()) if (match := _NAME.fullmatch(file.name))]
        except OSError:  # there is none
            return []


def _numbers(text: str) -> tuple[int, ...]:
    bounds = [part.partition("-") for part in text.split("_")]
    return tuple(n for first, _, last in bounds for n in range(int(first), int(last or first) + 1))
