"""The request for a launch: search spaces with options, and the plan of what is missing."""

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
    """Search spaces, and how to survey them.

    Args:
        spaces: What to survey.
        options: How.
        console: Where to print messages.

    Attributes:
        began: `time.monotonic()` when the request was made.
        name: Name of the survey: the names of its search spaces, joined by `+`.
        spaces: As given.
        options: As given, with the address of the cluster that this process is connected to, if any.
        console: As given.
        own_tasks: The tasks that the search spaces define, by name.
        contents: Digest of the prepared data of each of these tasks that is used, by name.
        output: Where results go.
        tracking: Where MLflow's runs and artifacts go.
        redo: Finished experiments to train again; None for none.

    Raises:
        InputError: From every method: the input cannot be used. No trial has started then.
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
        self.output.check_version()
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
        """Print a message on one line."""
        say(self.console, text, style)

    def _check_names(self) -> None:
        """Check that the names of search spaces and output stay distinct on every system, and mean one thing each."""
        for space in self.spaces:
            for name in sorted(space.datasets):
                check_name(name, self.own_tasks)  # tasks of another space may contradict it
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
            on_gpu: Whether trials run on GPUs; None if they do wherever this machine has any.
            may_guess: As for `describe`.
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
        """Describe a task, also a user's own, by its name in the data set; see `survey.tasks.loading.describe`."""
        return describe(self._declared[task], user_tasks=self.own_tasks, may_guess=may_guess)

    @cached_property
    def num_gpus(self) -> float:
        """GPUs that a Ray started on this machine would have."""
        if self.options.num_gpus is not None or not Path("/proc/driver/nvidia").exists():
            return self.options.num_gpus or 0.0
        import torch

        return float(torch.cuda.device_count())

    def to_replace(self, store: TrackingStore | None, *, may_guess: bool = False) -> dict[str, int]:
        """MLflow runs that `--redo` supersedes, and the experiment of each."""
        return self.redo.find(store, partial(self.plan, may_guess=may_guess)) if self.redo else {}

    def check_sizes(self, *, may_guess: bool = False) -> None:
        """Check that at least one experiment has a network of about its size."""
        check_sizes(self.spaces, contents=self.contents, describe=partial(self.describe, may_guess=may_guess))

    def own_data(self) -> dict[str, dict[str, Any]]:
        """How each of the user's own tasks was prepared, by name; see `survey.tasks.preparation.told`."""
        return {name: told(load(name, self.own_tasks)) for name in self.contents}

    def check_own_data(self) -> None:
        """Check that the user's own data are those of the rows in the data set."""
        for name, digest in self.contents.items():
            check_task_digest(self.output.dataset, name, digest)

    def load_tasks(self, plan: Plan, *, bundled: bool = True) -> dict[str, PreparedTask]:
        """Prepare the data of all planned trials, and check that they are those of the rows in the data set.

        Without `bundled`, leave out data that come with scikit-learn, which takes two seconds to import.
        """
        used = {bundle.experiment.dataset for bundle in plan.bundles}
        names = sorted(used if bundled else used - set(BUNDLED))
        data = {name: load(self._declared[name], self.own_tasks) for name in names}
        for name, task in data.items():
            check_task_digest(self.output.dataset, name, task.digest)
        return data


def note_of(spaces: Sequence[SearchSpace]) -> str:
    """The descriptions of search spaces, as Markdown for MLflow."""
    paragraphs = (text for space in spaces for text in space.description.split("\n\n"))
    return "\n\n".join(markdown(text) for text in paragraphs if text.strip())
