"""What the driver and its trials exchange through Ray Tune: settings, the configuration of a trial, its reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict, cast

from survey.plan.bundles import PlannedBundle
from survey.trials.checkpoint import CheckpointPace
from survey.workloads.registry import experiment_of

if TYPE_CHECKING:
    from survey.tracking.trial_run import TrackingSettings


@dataclass(frozen=True)
class TrialSettings:
    """What all trials of a launch share.

    Attributes:
        workload: Name of what is surveyed.
        about: Its description, if it is a member of a family.
        data: What it is trained on, see `survey.workloads.workload.SurveyData.load`.
        tracking: How MLflow tracks trials.
        origin: Columns of the data set that identify the survey and its source.
        checkpoints: Folder of the checkpoints, within the output folder.
        states: Folder of the states of runs that have ended, likewise.
        checkpoint_pace: How often checkpoints are written.
        keep_states: Whether to keep them.
        output_id: Identity of the output folder that every machine must have; None if workers need no such folder.
        report_every_s: Seconds between two reports of a trial to Tune, at least. A trial notices at a report that it
            must stop.
    """

    workload: str
    data: Mapping[str, Any]
    tracking: TrackingSettings
    origin: Mapping[str, Any]
    checkpoints: Path
    states: Path
    checkpoint_pace: CheckpointPace = field(default_factory=CheckpointPace)
    about: str = ""
    keep_states: bool = False
    output_id: str | None = None
    report_every_s: float = 1.0


class Failure(NamedTuple):
    """An experiment whose training has failed for good.

    Attributes:
        name: Its name, for people.
        error: The last line of its error.
    """

    name: str
    error: str

    def __str__(self) -> str:
        return f"{self.name}: {self.error}"


class ExperimentConfig(TypedDict):
    """One experiment of a trial: the fields of its `Experiment`, and those below.

    Attributes:
        epochs: As in `Experiment`.
        repetitions: Numbers of the repetitions to train.
        num_repetitions: Repetitions that the survey asks for.
        details: What the workload says of it, see `survey.workloads.workload.Needs`.
        metrics: Names of the metrics that it records, likewise.
        start_epoch: Epoch of the kept state that it goes on from; 0 to begin.
        num_gpus: Fraction of a GPU that the trial has; 0 for a CPU core.
        cost_s: Estimated seconds.
        bundle_bytes: Estimated memory of the repetitions together.
    """

    epochs: int
    repetitions: list[int]
    num_repetitions: int
    details: Mapping[str, Any]
    metrics: list[str]
    start_epoch: int
    num_gpus: float
    cost_s: float
    bundle_bytes: int


class ExperimentProgress(NamedTuple):
    """The progress of an experiment of a trial.

    Attributes:
        epoch: Last epoch that all its repetitions have trained.
        run_epochs: Epochs that it has trained since the last report, summed over the repetitions.
        is_done: Whether its results are stored.
    """

    epoch: int
    run_epochs: int
    is_done: bool


class TrialReport(TypedDict):
    """What a step of a trial reports to Tune.

    Attributes:
        done: Whether the trial is done.
        done_training: The same; Tune also sets `done` for trials that it stops.
        epoch: Last epoch; of packed experiments, the furthest.
        run_epochs: Epochs that this step has trained, summed over experiments and repetitions.
        by_experiment: Progress by number of the experiment in the trial.
        loop_s: Seconds of this step in the epoch loop.
        objective: At the last epoch, the median over repetitions; only of an experiment that is not packed.
        mlflow_run_id: MLflow runs of all experiments, with blanks between.
        failed: Errors of experiments that have failed for good in it, by their number in the trial.
        fatal_error: Why no trial can go on: the tracking server has been away for too long, or the disk is full.
    """

    done: bool
    done_training: NotRequired[bool]
    epoch: int
    run_epochs: int
    by_experiment: dict[int, ExperimentProgress]
    loop_s: float
    objective: NotRequired[float]
    mlflow_run_id: NotRequired[str]
    failed: NotRequired[dict[int, str]]
    fatal_error: NotRequired[str]


def trial_config(bundles: Sequence[PlannedBundle]) -> dict[str, Any]:
    """Return the configuration of a trial that trains these bundles, as Tune stores, shows and sends it: plain values.

    Returns:
        The `ExperimentConfig` as `trial`; those of packed experiments as a list, `experiments`.
    """
    configs = [_config(bundle) for bundle in bundles]
    return {"trial": configs[0]} if len(configs) == 1 else {"experiments": configs}


def _config(bundle: PlannedBundle) -> ExperimentConfig:
    config = {
        **bundle.experiment.to_dict(),
        "repetitions": list(bundle.repetitions),
        "num_repetitions": bundle.num_repetitions,
        "details": dict(bundle.needs.details),
        "metrics": list(bundle.needs.metrics),
        "start_epoch": bundle.start_epoch,
        "num_gpus": bundle.num_gpus,
        "cost_s": bundle.cost_s,
        "bundle_bytes": bundle.bundle_bytes,
    }
    return cast(ExperimentConfig, config)


def configs_of(config: Mapping[str, Any]) -> list[ExperimentConfig]:
    """Return the configuration of each experiment of a trial, from what `trial_config` has made."""
    return config["experiments"] if "experiments" in config else [config["trial"]]


def label_of(config: Mapping[str, Any]) -> str:
    """Return a trial's name for people: that of its first experiment, and how many others it has."""
    configs = configs_of(config)
    others = f" and {len(configs) - 1} more" if len(configs) > 1 else ""
    return experiment_of(configs[0]).label + others


def last_line(error: Exception) -> str:
    """Return the last line of an error's text, which says what went wrong."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
