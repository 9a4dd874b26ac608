"""What a launch has been asked for: the search spaces with its options, and what of them is to be trained."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from survey import tasks as task_data
from survey.dataset import check_task_digest
from survey.options import Options
from survey.output import Output
from survey.plan import Bound, Plan, fraction_for, make_plan
from survey.redo import Redo, RedoFilter
from survey.space import SearchSpace, own_tasks
from survey.tracking_place import TrackingPlace

if TYPE_CHECKING:
    from survey.tracking.store import TrackingStore

_MEMORY_SHARE = 0.8
"""Part of the memory of a core, or of a GPU, that a trial may take."""

METRIC_ROW_BUDGET = 2_000_000
"""Metric rows up to which every epoch goes to MLflow under `--mlflow-epochs auto`."""

REPETITION_RUN_LIMIT = 1_000
"""Runs up to which each repetition has an MLflow run of its own under `--mlflow-runs auto`."""

_ASSUMED_GPU_BYTES = 16 << 30
"""Memory of a GPU that only other machines of the cluster have."""


class Request:
    """Search spaces, and how they are to be surveyed.

    Args:
        spaces: What to survey.
        options: How.
        console: Where to say what happens.

    Raises:
        InputError: From every method: what was given cannot be used. No trial has been started then.
    """

    def __init__(self, spaces: Sequence[SearchSpace], options: Options, console: Console) -> None:
        self._began = time.monotonic()
        self._spaces, self._options, self._console = spaces, options, console
        self._own_tasks = own_tasks(spaces)
        self._name = "+".join(space.name for space in spaces)
        self.output = Output.at(options.out or Path("surveys") / self._name)
        self._place = TrackingPlace(options, self.output, console.print)
        used = {name for space in spaces for grid in space.grids for name in grid.dataset}
        self._contents = {
            name: task_data.load(name, self._own_tasks).digest for name in sorted(used & set(self._own_tasks))
        }

        self._redo: Redo | None = None
        if options.redo is not None:
            experiments = (each for space in spaces for each in space.experiments(self._contents))
            self._redo = Redo(RedoFilter.parse(options.redo), self.output, experiments)

    def plan(self, done: Mapping[int, set[int]], *, may_guess: bool = False, limited: bool = True) -> Plan:
        """Plan what is missing where `done` is done; `may_guess` as for `survey.tasks.describe`.

        Where it is not `limited`, experiments beyond `--limit` are planned too.
        """
        return make_plan(
            self._spaces,
            contents=self._contents,
            describe=partial(task_data.describe, user_tasks=self._own_tasks, may_guess=may_guess),
            done=done,
            repetitions=self._options.repetitions,
            limit=self._options.limit if limited else None,
            bound=Bound(memory_bytes=int(_MEMORY_SHARE * (_gpu_bytes() if self._num_gpus else _bytes_per_core()))),
            on_gpu=self._num_gpus > 0,
        )

    @cached_property
    def _num_gpus(self) -> float:
        """GPUs that a Ray of this machine would have."""
        if self._options.num_gpus is not None or not Path("/proc/driver/nvidia").exists():
            return self._options.num_gpus or 0.0
        import torch

        return float(torch.cuda.device_count())

    def _to_replace(self, store: TrackingStore | None, *, may_guess: bool = False) -> dict[str, int]:
        """MLflow runs that `--redo` is to let count no more, and the experiment of each."""
        return self._redo.find(store, partial(self.plan, may_guess=may_guess)) if self._redo else {}

    def _recording(self, plan: Plan) -> tuple[bool, bool]:
        """Whether MLflow gets every epoch, and whether each repetition has a run of its own."""
        from survey.tracking.trial_run import CHILD_ROWS_PER_EPOCH, ROWS_PER_EPOCH

        options = self._options
        few_runs = plan.num_runs <= REPETITION_RUN_LIMIT
        repetition_runs = few_runs if options.mlflow_runs == "auto" else options.mlflow_runs == "repetition"
        rows = ROWS_PER_EPOCH * plan.epochs + CHILD_ROWS_PER_EPOCH * plan.run_epochs * repetition_runs
        all_epochs = rows <= METRIC_ROW_BUDGET if options.mlflow_epochs == "auto" else options.mlflow_epochs == "all"
        return all_epochs, repetition_runs

    def _check_own_data(self) -> None:
        """See that a user's own data are those of the rows that are there."""
        for name, digest in self._contents.items():
            check_task_digest(self.output.dataset, name, digest)

    def _load_tasks(self, plan: Plan, *, bundled: bool = True) -> dict[str, task_data.PreparedTask]:
        """Prepare the data of all planned trials, and see that they are those of the rows that are there.

        Without `bundled`, only those that may not be at hand: scikit-learn takes two seconds to import.
        """
        used = {trial.experiment.dataset for trial in plan.trials}
        names = sorted(used if bundled else used - set(task_data.BUNDLED))
        data = {name: task_data.load(name, self._own_tasks) for name in names}
        for name, task in data.items():
            check_task_digest(self.output.dataset, name, task.digest)
        return data

    def _fraction_of_gpu(self) -> Callable[[int], float]:
        """Gives the share of a GPU for a trial's memory in bytes: what was asked for, or the least that holds it."""
        fixed = self._options.gpus_per_trial
        if fixed != "auto":
            return lambda _bytes: fixed
        return partial(fraction_for, gpu_bytes=_gpu_bytes())


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bytes_per_core() -> int:
    """A core's part of the machine's memory.

    Of all cores, also where a launch uses fewer: so a trial is split alike in each launch.
    """
    import psutil

    return psutil.virtual_memory().total // num_cores()


def _gpu_bytes() -> int:
    """Memory of a GPU of this machine, or of one as a cluster may have."""
    import torch

    return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else _ASSUMED_GPU_BYTES
