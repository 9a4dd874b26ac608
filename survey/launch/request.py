"""What a launch has been asked for: the search spaces with its options, and what of them is to be trained."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from survey.dataset.layout import existing_tasks, floats_in_paths
from survey.dataset.reading import check_task_digest
from survey.errors import InputError
from survey.launch.callers_ray import with_callers_ray
from survey.launch.options import Options
from survey.launch.redo import Redo, RedoFilter
from survey.launch.tracking_location import TrackingLocation
from survey.output.folder import Output
from survey.plan.fitting import check_sizes
from survey.plan.make_plan import Bound, make_plan
from survey.plan.plan import Plan
from survey.spaces.search_space import SearchSpace, check_together, own_tasks
from survey.system.home import ensure_home
from survey.system.machine import MEMORY_FOR_TRIALS, bytes_per_core, gpu_bytes
from survey.tasks.catalog import BUNDLED
from survey.tasks.loading import TaskDescription, describe, load
from survey.tasks.names import canonical_name, check_name
from survey.tasks.preparation import told
from survey.tasks.prepared import PreparedTask
from survey.text.escaping import markdown
from survey.text.names import MOST_BYTES, clash
from survey.text.terminal import say

if TYPE_CHECKING:
    from survey.tracking.store import TrackingStore


class Request:
    """Search spaces, and how they are to be surveyed.

    Args:
        spaces: What to survey.
        options: How.
        console: Where to say what happens.

    Attributes:
        began: `time.monotonic()` when it was made.
        name: Name of the survey: those of its search spaces.
        spaces: As given.
        options: As given; with the address of the cluster that this process is connected to, if it is.
        console: As given.
        own_tasks: The tasks that the search spaces define, by name.
        contents: Digest of the prepared data of each of them that is used.
        output: Where results go.
        tracking: Where MLflow's runs and artifacts go.
        redo: What is to be retrained although it is done; None for nothing.

    Raises:
        InputError: From every method: what was given cannot be used. No trial has been started then.
    """

    def __init__(self, spaces: Sequence[SearchSpace], options: Options, console: Console) -> None:
        self.began = time.monotonic()
        ensure_home()
        options = with_callers_ray(options)
        self.spaces, self.options, self.console = spaces, options, console
        self.own_tasks = own_tasks(spaces)
        self.name = "+".join(space.name for space in spaces)
        if options.out is None and len(self.name) > MOST_BYTES:
            raise InputError(f"the names of {len(spaces)} search spaces together are too long for a folder; give --out")
        self.output = Output.at(options.out or Path("surveys") / self.name)
        before = self.output.spaces()
        held = floats_in_paths(self.output.dataset)
        check_together(spaces, before=before, held=held, repetitions=options.repetitions)
        self.tracking = TrackingLocation(options, self.output, self.say)
        used = {name for space in spaces for name in space.datasets}
        self._declared = {canonical_name(name): name for name in sorted(used)}
        self._check_names()
        self.contents = {name: load(name, self.own_tasks).digest for name in sorted(used & set(self.own_tasks))}
        self.redo: Redo | None = None
        if options.redo is not None:
            experiments = (each for space in spaces for each in space.experiments(self.contents))
            self.redo = Redo(RedoFilter.parse(options.redo), self.output, experiments)

    def say(self, text: str, style: str | None = None) -> None:
        """Tell people something, in one line."""
        say(self.console, text, style)

    def _check_names(self) -> None:
        """See that no two names of the search spaces and the output are one on some systems, or mean two things."""
        for space in self.spaces:
            for name in sorted(space.datasets):
                check_name(name, self.own_tasks)  # which the tasks of another one may contradict
        problem = clash([*self.output.sweeps, *(space.name for space in self.spaces)], "search space")
        problem = problem or clash([*existing_tasks(self.output.dataset), *self._declared], "task")
        if problem:
            raise InputError(f"{self.name} in {self.output.folder}: {problem}")

    def plan(
        self,
        done: Mapping[int, set[int]],
        *,
        on_gpu: bool | None = None,
        may_guess: bool = False,
        limited: bool = True,
    ) -> Plan:
        """Plan what is missing.

        Args:
            done: Repetitions that are done, by experiment_id.
            on_gpu: Whether trials run on GPUs; None for whether this machine has any.
            may_guess: As for `survey.tasks.loading.describe`.
            limited: Whether to leave out experiments beyond `--limit`.
        """
        if on_gpu is None:
            on_gpu = self.num_gpus > 0
        return make_plan(
            self.spaces,
            contents=self.contents,
            describe=partial(self.describe, may_guess=may_guess),
            done=done,
            repetitions=self.options.repetitions,
            limit=self.options.limit if limited else None,
            bound=Bound(memory_bytes=int(MEMORY_FOR_TRIALS * gpu_bytes()) if on_gpu else bytes_per_core()),
            on_gpu=on_gpu,
        )

    def describe(self, task: str, *, may_guess: bool = False) -> TaskDescription:
        """Describe a task by its name in the data set, also a space's own, as `survey.tasks.loading.describe` does."""
        return describe(self._declared[task], user_tasks=self.own_tasks, may_guess=may_guess)

    @cached_property
    def num_gpus(self) -> float:
        """GPUs that a Ray of this machine would have."""
        if self.options.num_gpus is not None or not Path("/proc/driver/nvidia").exists():
            return self.options.num_gpus or 0.0
        import torch

        return float(torch.cuda.device_count())

    def to_replace(self, store: TrackingStore | None, *, may_guess: bool = False) -> dict[str, int]:
        """MLflow runs that `--redo` is to let count no more, and the experiment of each."""
        return self.redo.find(store, partial(self.plan, may_guess=may_guess)) if self.redo else {}

    def check_sizes(self, *, may_guess: bool = False) -> None:
        """See that there is an experiment with a network of about its size."""
        check_sizes(self.spaces, contents=self.contents, describe=partial(self.describe, may_guess=may_guess))

    def own_data(self) -> dict[str, dict[str, Any]]:
        """What each task of a user's own has come to, by name, as `survey.tasks.preparation.told` says it."""
        return {name: told(load(name, self.own_tasks)) for name in self.contents}

    def check_own_data(self) -> None:
        """See that a user's own data are those of the rows that are there."""
        for name, digest in self.contents.items():
            check_task_digest(self.output.dataset, name, digest)

    def load_tasks(self, plan: Plan, *, bundled: bool = True) -> dict[str, PreparedTask]:
        """Prepare the data of all planned trials, and see that they are those of the rows that are there.

        Without `bundled`, only those that may not be at hand: scikit-learn takes two seconds to import.
        """
        used = {bundle.experiment.dataset for bundle in plan.bundles}
        names = sorted(used if bundled else used - set(BUNDLED))
        data = {name: load(self._declared[name], self.own_tasks) for name in names}
        for name, task in data.items():
            check_task_digest(self.output.dataset, name, task.digest)
        return data


def note_of(spaces: Sequence[SearchSpace]) -> str:
    """What search spaces are for, as MLflow takes it: for Markdown."""
    paragraphs = (text for space in spaces for text in space.description.split("\n\n"))
    return "\n\n".join(markdown(text) for text in paragraphs if text.strip())
