"""What a launch would train, and what that is estimated to cost; how people are told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.filesize import decimal

from survey.text.counting import counted, rounded
from survey.text.html import html_table

UNMEASURED_FACTOR = 3.0
"""How far off a time may be, as a factor, if no pilot has measured the machine: cores differ by so much."""


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate with its lower and upper bounds; all NaN where nothing is known."""

    estimate: float
    low: float
    high: float

    @classmethod
    def around(cls, estimate: float, factor: float) -> Range:
        """From estimate / factor to estimate * factor."""
        return cls(estimate, estimate / factor, estimate * factor)

    @property
    def is_known(self) -> bool:
        """Whether it is a number."""
        return not math.isnan(self.estimate)


UNKNOWN = Range(math.nan, math.nan, math.nan)
"""What the time of a workload is that nobody has measured."""


@dataclass(frozen=True, slots=True, repr=False)
class Price:
    """The size of a plan, and its estimated cost: what `survey.dry_run` returns.

    `print` shows it as `--dry-run` does, a notebook as a table. Times have an `.estimate` between `.low` and `.high`.

    Attributes:
        experiments_new: Experiments with missing runs.
        experiments_done: Experiments that lack none.
        experiments_left_out: Experiments of the search space that are not surveyed; `left_out` says why.
        runs: Repetitions of all experiments.
        runs_done: Those that are in the output.
        runs_to_train: Those that are missing.
        epochs: Epochs to train, over all runs.
        trials: Number of trials to train, by the resource of each: `1 CPU core`, `1/8 GPU`.
        flops: Floating-point operations of all matrix products; 0 if the workload does not count them.
        tracking_bytes: Growth of the MLflow store.
        artifact_bytes: Histories of the trials.
        dataset_bytes: Growth of the Parquet data set.
        state_bytes: States that are kept.
        core_hours: Core hours of trials without a GPU; this and all other times are `UNKNOWN` before a pilot, if the
            workload is the user's own function.
        gpu_hours: GPU hours.
        training_hours: Hours that trials spend in training, on any device; the rest is tracking, start and end.
        wall_hours: From the start of the launch to its end.
        num_cpus: Cores that train.
        num_gpus: GPUs that train.
        measured: Whether a pilot has measured this machine; otherwise times are those of a machine like ours, roughly.
        left_out: Why experiments are left out, in words.
        guessed: Names of data of which something is guessed, as they have not been fetched.
        own_data: How the user's own data were prepared, by name.
        notes: Lines for people on what was guessed, and on the user's own data.
    """

    experiments_new: int
    experiments_done: int
    experiments_left_out: int
    runs: int
    runs_done: int
    runs_to_train: int
    epochs: int
    trials: dict[str, int]
    flops: float
    tracking_bytes: int
    artifact_bytes: int
    dataset_bytes: int
    state_bytes: int
    core_hours: Range
    gpu_hours: Range
    training_hours: Range
    wall_hours: Range
    num_cpus: int
    num_gpus: float
    measured: bool
    left_out: str = ""
    guessed: tuple[str, ...] = ()
    own_data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; None for a time that is not known."""
        unknown = [name for name in _TIMES if not getattr(self, name).is_known]
        return asdict(self) | dict.fromkeys(unknown)

    @property
    def times_known(self) -> bool:
        """Whether anything is known of the time."""
        return self.wall_hours.is_known

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Quantities and their values, in words; what is indented is part of what stands above it."""
        return [*self._counts(), *(self._costs() if self.runs_to_train else ())]

    @property
    def caveats(self) -> list[str]:
        """What to know of the numbers, and how the user's own data were prepared."""
        if self.measured or not self.runs_to_train:
            return list(self.notes)
        if not self.times_known:
            return [*self.notes, "--pilot (in Python pilot=True) measures the time, in a minute at most"]
        gpu, core = "an NVIDIA H100", "a core that we have measured"
        like = gpu if self.num_gpus else core
        if self.gpu_hours.high and self.core_hours.high:
            like = f"{gpu} and of {core}"
        unmeasured = (
            f"Times are those of {like}, and can be {UNMEASURED_FACTOR:g} times as long here: "
            "--pilot (in Python pilot=True) measures this machine, in a minute at most"
        )
        return [*self.notes, unmeasured]

    @property
    def where(self) -> str:
        """What trains: `2 cores and 1 GPU`."""
        gpus = f" and {self.num_gpus:g} GPU{'s' * (self.num_gpus != 1)}" if self.num_gpus else ""
        return counted(self.num_cpus, "core") + gpus

    def __str__(self) -> str:
        names, values = (max(map(len, column)) for column in zip(*self.lines, strict=True))
        table = [f"{name:<{names}}  {value:>{values}}" for name, value in self.lines]
        return "\n".join([*table, *self.caveats])

    def __repr__(self) -> str:
        new = self.experiments_new
        wall = time_range(self.wall_hours) if self.times_known else "unknown time"
        took = f", {wall} from start to end on {self.where}" if self.runs_to_train else ""
        return (
            f"<Price: {counted(new + self.experiments_done, 'experiment')}, {counted(self.runs, 'run')}; "
            f"{self.runs_done:,} done, {self.runs_to_train:,} to train{took}>"
        )

    def _repr_html_(self) -> str:
        return html_table(self.lines, self.caveats)

    def _counts(self) -> Iterator[tuple[str, str]]:
        yield "experiments", f"{self.experiments_new + self.experiments_done:,}"
        yield "  done", f"{self.experiments_done:,}"
        yield "  to train", f"{self.experiments_new:,}"
        if self.experiments_left_out:
            yield f"{self.left_out} (left out)", f"{self.experiments_left_out:,}"
        yield "runs", f"{self.runs:,}"
        yield "  done", f"{self.runs_done:,}"
        yield "  to train", f"{self.runs_to_train:,}"
        yield "epochs to train (over all runs)", f"{self.epochs:,}"
        yield "trials to train", f"{sum(self.trials.values()):,}"
        for resource, count in self.trials.items():
            yield f"  of {resource}", f"{count:,}"

    def _costs(self) -> Iterator[tuple[str, str]]:
        if not self.times_known:  # and of a function, its metrics may be unknown too, so bytes would say little
            yield "time", "unknown"
            return
        if self.flops:
            yield "floating-point operations", f"{self.flops:.2g}"
        yield "MLflow store", f"+ {decimal(self.tracking_bytes)}"
        yield "artifacts", f"+ {decimal(self.artifact_bytes)}"
        yield "data set", f"+ {decimal(self.dataset_bytes)}"
        if self.state_bytes:
            yield "states", f"+ {decimal(self.state_bytes)}"
        yield "core time", time_range(self.core_hours)
        if self.num_gpus:
            yield "GPU time", time_range(self.gpu_hours)
        yield f"from start to end on {self.where}", time_range(self.wall_hours)


_TIMES = ("core_hours", "gpu_hours", "training_hours", "wall_hours")
"""The attributes of a price that are times."""


def time_range(hours: Range) -> str:
    """`3.1 h (2.6 to 3.7 h)`, in the unit that suits the estimate; the bounds are not known to a third digit."""
    units = (("years", 24 * 365.0), ("days", 24.0), ("h", 1.0), ("min", 1 / 60), ("s", 1 / 3600))
    unit, length = next((one for one in units if hours.estimate >= 2 * one[1]), units[-1])
    low, high = rounded(hours.low / length, 2), rounded(hours.high / length, 2)
    return f"{rounded(hours.estimate / length, 3)} {unit} ({low} to {high} {unit})"
