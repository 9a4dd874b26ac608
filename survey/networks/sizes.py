"""Whether search spaces have any experiment whose network comes near its size; all others are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

from survey.errors import SearchSpaceError
from survey.networks.experiment import NetworkExperiment
from survey.networks.layers import network_of
from survey.networks.search_space import SearchSpace
from survey.networks.topology import SIZE_TOLERANCE, within_tolerance
from survey.tasks.loading import TaskDescription
from survey.text.counting import counted


def check_sizes(
    spaces: Sequence[SearchSpace], contents: Mapping[str, str], describe: Callable[[str], TaskDescription]
) -> None:
    """Check that at least one experiment has a network that comes near its size.

    Args:
        spaces: The search spaces.
        contents: Digest of the prepared data of each of the user's own tasks.
        describe: Returns rows, inputs and outputs of a task by its name in the data set.

    Raises:
        SearchSpaceError: None has; the message names the nearest possible size for each data set.
    """
    nearest: dict[str, _Miss] = {}
    for experiment in chain.from_iterable(_experiments(space, contents) for space in spaces):
        task = describe(experiment.dataset)
        _, found = network_of(experiment, task)
        is_given = experiment.hidden_widths is not None
        if is_given or within_tolerance(found, experiment.size) or task.inputs_guessed:
            return
        miss = _Miss(task, experiment, found)
        known = nearest.setdefault(task.name, miss)
        if miss.relative < known.relative:
            nearest[task.name] = miss
    raise SearchSpaceError(
        f"{'+'.join(space.name for space in spaces)}: nothing is left to train: no experiment has a network within "
        f"{SIZE_TOLERANCE:.0%} of its `size`, which is its number of parameters; "
        + "; ".join(map(str, nearest.values()))
        + "; ask for such a size, or give the network fewer inputs"
    )


def _experiments(space: SearchSpace, contents: Mapping[str, str]) -> Iterable[NetworkExperiment]:
    """Those of a search space, one by one where that says which they are: mostly the first one will do."""
    if space.sample is not None:
        return cast(list[NetworkExperiment], space.experiments(contents))
    return chain.from_iterable(grid.experiments(contents) for grid in space.grids)


@dataclass(frozen=True, slots=True)
class _Miss:
    """The network that comes nearest to the size of its experiment."""

    task: TaskDescription
    experiment: NetworkExperiment
    found: int

    @property
    def relative(self) -> float:
        """Relative difference from the size."""
        return abs(self.found - self.experiment.size) / self.experiment.size

    def __str__(self) -> str:
        task, experiment = self.task, self.experiment
        inputs, outputs = counted(task.num_inputs, "input"), counted(task.num_outputs, "output")
        return (
            f"{task.name!r} ({inputs}, {outputs}) comes nearest with "
            f"{self.found:,} parameters for size {experiment.size:,} ({experiment.shape}, depth {experiment.depth})"
        )
