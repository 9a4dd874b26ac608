"""The cost of a plan: time, and bytes on disk.

Bytes are counted from rows and curves, with sizes measured on surveys of this program (docs/scale.md).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from survey.dataset.layout import field_of
from survey.plan.bundles import PlannedBundle, resource_name
from survey.plan.division import Places
from survey.plan.plan import Plan
from survey.plan.price import UNKNOWN, UNMEASURED_FACTOR, Price, Range
from survey.system.gc_pause import collector_paused
from survey.workloads.columns import Columns
from survey.workloads.metrics import Metrics

_METRIC_ROW_BYTES = 285
"""A row of MLflow's table of metrics in sqlite, with its part of the indices."""

_LATEST_ROW_BYTES = 200
"""A row of MLflow's table of latest metrics, likewise."""

_RUN_BYTES, _CHILD_RUN_BYTES = 5_600, 1_900
"""An MLflow run of a trial, or of a repetition: its row, parameters and tags."""

_CURVE_BYTES = 0.7 * 4
"""A value of a curve in Parquet: float32, compressed."""

_ARTIFACT_BYTES, _RUNS_FILE_BYTES, _SUMMARY_FILE_BYTES, _EXECUTIVE_FILE_BYTES = 37_000, 38_000, 101_000, 65_000
"""Size of a file beside its curves: mostly its footer, which describes every column."""

_METRIC_ROW_S = 7e-6
"""Time of a trial for each metric row that it writes to MLflow's sqlite file."""

_START_S = 12.0
"""Time of a launch before its first trial."""

_EXPORT_S_PER_EXPERIMENT, _REPORT_S_PER_EXPERIMENT = 0.05, 0.0015
"""Time of a launch after its last trial, for each experiment that it trains, and for each that the survey has."""

_ByMetrics = Mapping[tuple[str, ...], Sequence[PlannedBundle]]
"""Bundles by the names of the metrics that they record, which are few."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Numbers of rows and runs that go to MLflow.

    Attributes:
        rows: Metric rows of all trials.
        latest_rows: Distinct metrics of all MLflow runs.
        runs: MLflow runs of trials.
        child_runs: MLflow runs of repetitions.
    """

    rows: int
    latest_rows: int
    runs: int
    child_runs: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The metric rows that trials write to MLflow.

    Attributes:
        metrics: What the workload records.
        repetition_runs: Whether each repetition has a run of its own.
        epochs: Returns how many of a given number of epochs are recorded.
    """

    metrics: Metrics
    repetition_runs: bool
    epochs: Callable[[int], int]

    def recording(self, bundles: _ByMetrics) -> Recording:
        """Count what the trials of these bundles write."""
        rows = latest = runs = children = 0
        for names, alike in bundles.items():
            metrics = self.metrics.only(names)
            of_trial, of_repetition = metrics.num_rows, metrics.num_run_rows * self.repetition_runs
            for bundle in alike:
                per_epoch = of_trial + of_repetition * len(bundle.repetitions)
                rows += per_epoch * self.epochs(bundle.experiment.epochs)
                latest += per_epoch
                children += len(bundle.repetitions) if self.repetition_runs else 0
            runs += len(alike)
        return Recording(rows, latest, runs, children)


@dataclass(frozen=True, slots=True)
class Machine:
    """What trains a plan.

    Attributes:
        num_cpus: Cores.
        num_gpus: GPUs.
        pilot_factor: How far off a time may be, as a factor, where a pilot has measured the costs; else None.
        times_known: Whether the costs of the plan are times, and not only relative to each other.
    """

    num_cpus: int
    num_gpus: float = 0.0
    pilot_factor: float | None = None
    times_known: bool = True

    @property
    def factor(self) -> float:
        """How far off a time may be, as a factor."""
        return self.pilot_factor or UNMEASURED_FACTOR


@collector_paused()
def price(plan: Plan, rows: Rows, columns: Columns, machine: Machine, *, keep_states: bool = False) -> Price:
    """Estimate the cost of a plan.

    Args:
        plan: With the costs of the machine that will train it, and the fractions of GPUs.
        rows: What goes to MLflow.
        columns: What goes to the data set.
        machine: What will train it.
        keep_states: Whether the last state of each run is kept.
    """
    bundles: dict[tuple[str, ...], list[PlannedBundle]] = {}
    for bundle in plan.bundles:
        bundles.setdefault(bundle.needs.metrics, []).append(bundle)
    recording = rows.recording(bundles)
    tracking_s = _METRIC_ROW_S * recording.rows / max(1, len(plan.bundles))
    core_s = sum(bundle.cost_s + tracking_s for bundle in plan.bundles if not bundle.num_gpus)
    # Trials that share a GPU take turns on it: sharing makes none of them cheaper, but while one writes to the tracking
    # store, others train.
    gpu_s = sum(bundle.cost_s + bundle.num_gpus * tracking_s for bundle in plan.bundles if bundle.num_gpus)
    training_s = sum(bundle.training_s for bundle in plan.bundles)
    wall_s = _makespan(plan.trials, tracking_s, Places(machine.num_cpus, machine.num_gpus))
    if plan.bundles:
        new = plan.num_experiments - plan.num_experiments_done
        wall_s += _START_S + _EXPORT_S_PER_EXPERIMENT * new + _REPORT_S_PER_EXPERIMENT * plan.num_experiments
    core_hours, gpu_hours, training_hours, wall_hours = (
        Range.around(s / 3600, machine.factor) if machine.times_known else UNKNOWN
        for s in (core_s, gpu_s, training_s, wall_s)
    )
    artifact_bytes, dataset_bytes = _parquet_bytes(plan, bundles, columns)
    shares = Counter(trial[0].num_gpus for trial in plan.trials)
    return Price(
        experiments_new=plan.num_experiments - plan.num_experiments_done,
        experiments_done=plan.num_experiments_done,
        experiments_left_out=plan.num_left_out,
        runs=plan.num_runs,
        runs_done=plan.num_runs_done,
        runs_to_train=plan.num_runs_planned,
        epochs=plan.run_epochs_planned,
        trials={resource_name(fraction): count for fraction, count in sorted(shares.items(), reverse=True)},
        flops=sum(bundle.work.flops * bundle.num_epochs for bundle in plan.bundles),
        tracking_bytes=_tracking_bytes(recording),
        artifact_bytes=artifact_bytes,
        dataset_bytes=dataset_bytes,
        state_bytes=_state_bytes(bundles) if keep_states else 0,
        core_hours=core_hours,
        gpu_hours=gpu_hours,
        training_hours=training_hours,
        wall_hours=wall_hours,
        num_cpus=machine.num_cpus,
        num_gpus=machine.num_gpus,
        measured=machine.pilot_factor is not None,
    )


def _tracking_bytes(recording: Recording) -> int:
    return (
        recording.rows * _METRIC_ROW_BYTES
        + recording.latest_rows * _LATEST_ROW_BYTES
        + recording.runs * _RUN_BYTES
        + recording.child_runs * _CHILD_RUN_BYTES
    )


def _parquet_bytes(plan: Plan, bundles: _ByMetrics, columns: Columns) -> tuple[int, int]:
    """Bytes of artifacts, and of the data set: the same curves again, and summaries for each experiment and sweep."""
    partition = attrgetter(*map(field_of, columns.partition))
    partitions: set[Any] = set()
    histories = curves = 0.0
    summaries = 1 + plan.sweeps_per_experiment
    for names, alike in bundles.items():
        # The bundles of an experiment share it, and it takes long to hash.
        experiments = list({id(bundle.experiment): bundle.experiment for bundle in alike}.values())
        partitions.update(map(partition, experiments))
        run_epochs = sum(bundle.experiment.epochs * len(bundle.repetitions) for bundle in alike)
        per_epoch = sum(len(metric.statistics) for metric in columns.metrics.only(names).all)
        histories += _CURVE_BYTES * (len(names) + 1) * run_epochs
        curves += _CURVE_BYTES * per_epoch * summaries * sum(experiment.epochs for experiment in experiments)
    files = len(partitions) * (_RUNS_FILE_BYTES + _EXECUTIVE_FILE_BYTES + summaries * _SUMMARY_FILE_BYTES)
    return round(histories + _ARTIFACT_BYTES * len(plan.bundles)), round(histories + curves + files)


def _state_bytes(bundles: _ByMetrics) -> int:
    """Bytes of the states of all runs to train, each with the curves so far; only those of paired draws are kept."""
    return sum(
        len(bundle.repetitions) * (bundle.needs.state_bytes + 4 * (len(names) + 1) * bundle.experiment.epochs)
        for names, alike in bundles.items()
        for bundle in alike
        if bundle.experiment.draws == "paired"
    )


def _makespan(trials: Sequence[Sequence[PlannedBundle]], tracking_s: float, places: Places) -> float:
    """Seconds until all trials are done, each in the first free slot, one fraction of a GPU after the other.

    Trials that share a GPU take turns on it, except while they write to the tracking store. The cores that they leave
    train the others at the same time.
    """
    classes: dict[float, list[tuple[float, int]]] = {}
    for trial in trials:
        classes.setdefault(trial[0].num_gpus, []).append((sum(bundle.cost_s for bundle in trial), len(trial)))
    on_cores = classes.pop(0.0, [])
    gpu_s = 0.0
    for fraction, durations in classes.items():
        num_slots = max(1, min(places.num_shares(fraction), len(durations)))
        sharing = max(1.0, num_slots / places.num_gpus) if places.num_gpus else 1.0
        gpu_s += _last_end(num_slots, (sharing * seconds + tracking_s * number for seconds, number in durations))
    num_cores = places.on_cores([trial for trial in trials if trial[0].num_gpus])
    return max(gpu_s, _last_end(max(1, num_cores), (seconds + tracking_s for seconds, _ in on_cores)))


def _last_end(num_slots: int, durations: Iterable[float]) -> float:
    """When the last ends of what takes so long, if each begins in the slot that is free first."""
    free = [0.0] * num_slots
    for seconds in durations:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)
