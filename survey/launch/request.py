"""The request for a launch: search spaces with options, and the plan of what is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from survey.dataset.layout import floats_in_paths
from survey.errors import InputError
from survey.launch.callers_ray import with_callers_ray
from survey.launch.options import Options
from survey.launch.redo import Redo, RedoFilter
from survey.launch.tracking_location import TrackingLocation
from survey.output.folder import SURVEYS, Output
from survey.output.states import States
from survey.plan.make_plan import Bound, Device, Existing, make_plan
from survey.plan.plan import Plan
from survey.spaces.search_space import BaseSpace, check_together, sweep_of
from survey.system.home import ensure_home
from survey.system.machine import MEMORY_FOR_TRIALS, bytes_per_core, gpu_bytes
from survey.text.counting import counted
from survey.text.escaping import markdown
from survey.text.names import MOST_BYTES, clash, folded
from survey.text.terminal import say
from survey.workloads.workload import Workload

if TYPE_CHECKING:
    from survey.tracking.store import TrackingStore

_MOST_COMPARED = 200_000
"""Points of two search spaces that are compared experiment by experiment, which takes some seconds."""


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
        workload: What is surveyed.
        data: What it is trained on.
        contents: Digests of data that are part of the identity of experiments, by name.
        output: Where results go.
        tracking: Where MLflow's runs and artifacts go.
        redo: Finished experiments to train again; None for none.

    Raises:
        InputError: From every method: the input cannot be used. No trial has started then.
    """

    def __init__(self, spaces: Sequence[BaseSpace], options: Options, console: Console) -> None:
        self.began = time.monotonic()
        ensure_home()
        options = with_callers_ray(options)
        self.spaces, self.options, self.console = spaces, options, console
        self.workload = workload_of(spaces)
        self.name = "+".join(space.name for space in spaces)
        if options.out is None and len(self.name) > MOST_BYTES:
            raise InputError(f"the names of {len(spaces)} search spaces together are too long for a folder; give --out")
        self.output = Output.at(options.out or SURVEYS / self.name)
        self.output.check(self.workload.name)
        if self.output.exists:
            self.workload = self.workload.joined(self.output.workload)
        self._before = before = self.output.search_spaces.read()
        held = floats_in_paths(self.output.dataset)
        check_together(spaces, before=before, held=held, repetitions=options.repetitions)
        self.tracking = TrackingLocation(options, self.output, self.say)
        self.data = self.workload.data(spaces)
        self._check_names(before)
        if options.keep_states and not self.tracking.is_in_output:
            raise InputError(
                "--keep-states: states lie in the output folder, which every machine shares only if artifacts go there "
                "too: leave out --artifacts and --tracking-uri"
            )
        self.contents = self.data.contents
        self.redo: Redo | None = None
        if options.redo is not None:
            experiments = (each for space in spaces for each in space.experiments(self.contents))
            wanted = RedoFilter.parse(options.redo, self.workload.hyperparameters)
            self.redo = Redo(wanted, self.output, experiments)

    def say(self, text: str, style: str | None = None) -> None:
        """Print a message on one line."""
        say(self.console, text, style)

    def replaced_lines(self) -> Iterator[str]:
        """Say which search spaces take the place of others of their names that have experiments which they lack."""
        before = {space.name: space for space in self._before}
        contents = {**self.output.identity.contents, **self.contents} if before else {}
        for space in self.spaces:
            earlier = before.get(space.name)
            if earlier is None or earlier.num_points + space.num_points > _MOST_COMPARED:
                continue
            if all(getattr(earlier, name) == getattr(space, name) for name in ("grids", "sample", "sample_seed")):
                continue
            lost = {*earlier.experiments(contents)}.difference(space.experiments(contents))
            if lost:
                yield (
                    f"{space.name}: takes the place of the search space that had this name here; "
                    f"{counted(len(lost), 'experiment')} of that one {'is' if len(lost) == 1 else 'are'} not in it: "
                    "what is trained of them stays in the data set"
                )

    def _check_names(self, before: Sequence[BaseSpace]) -> None:
        """Check that the names of search spaces and output stay distinct on every system, and mean one thing each."""
        problem = clash([*self.output.search_spaces.names, *(space.name for space in self.spaces)], "search space")
        sweeps: dict[str, str] = {}
        for space in (*before, *self.spaces):
            if (known := sweeps.setdefault(folded(sweep_of(space)), space.name)) != space.name:
                problem = (
                    problem or f"{known!r} and {space.name!r} have one column, {sweep_of(space)!r}; rename one of them"
                )
        problem = problem or self.data.name_problem(self.output.dataset)
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
            may_guess: Whether to guess what only data say that are not at hand.
            limited: Whether to leave out experiments beyond `--limit`.
        """
        if on_gpu is None:
            on_gpu = self.num_gpus > 0
        bound = Bound(memory_bytes=int(MEMORY_FOR_TRIALS * gpu_bytes()) if on_gpu else bytes_per_core())
        return make_plan(
            self.spaces,
            contents=self.contents,
            needs=partial(self.data.needs, may_guess=may_guess),
            device=Device(self.workload.cost_model(on_gpu=on_gpu), is_gpu=on_gpu, bound=bound),
            existing=Existing(done, States(self.output.states).kept()),
            repetitions=self.options.repetitions,
            limit=self.options.limit if limited else None,
        )

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

    def load_data(self, plan: Plan, *, bundled: bool = True) -> Mapping[str, Any]:
        """Load the data of all planned trials, see `survey.workloads.workload.SurveyData.load`."""
        return self.data.load((each.experiment for each in plan.bundles), self.output.dataset, bundled=bundled)


def workload_of(spaces: Sequence[BaseSpace]) -> Workload:
    """Return the workload of search spaces that are surveyed as one.

    Raises:
        InputError: They survey different ones.
    """
    names = sorted({space.WORKLOAD for space in spaces})
    if len(names) > 1:
        raise InputError(
            f"{', '.join(space.name for space in spaces)}: survey different workloads, {' and '.join(names)}; launch "
            "those of each by themselves, with an --out of their own"
        )
    first, *others = (space.workload for space in spaces)
    for other in others:
        first = first.joined(other)
    return first


def note_of(spaces: Sequence[BaseSpace]) -> str:
    """The descriptions of search spaces, as Markdown for MLflow."""
    paragraphs = (text for space in spaces for text in space.description.split("\n\n"))
    return "\n\n".join(markdown(text) for text in paragraphs if text.strip())
