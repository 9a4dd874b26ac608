"""The Ray Tune runs over the trials of a plan."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

from survey.cluster.connection import Cluster
from survey.plan.bundles import PlannedBundle
from survey.plan.division import Places
from survey.trials.changed_tune import changed_tune
from survey.trials.lost_workers import LostWorkers
from survey.trials.messages import Failure, TrialSettings, configs_of, label_of, last_line
from survey.trials.progress import Progress, ReportCounter
from survey.trials.searcher import PlanOrder, Room
from survey.trials.stopper import StopRequest
from survey.trials.trainable import RETRIES, SurveyTrial
from survey.workloads.registry import experiment_of

# Tune would send these to its actors, and Ray's logs and dashboard would show them. Workers have them from their nodes.
ENV_VARS_TO_PROPAGATE.difference_update([name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")])

tune.Stopper.register(StopRequest)

TRIALS_PER_TUNE_RUN = 5_000
"""Trials of one Tune run, which keeps 50 KB of each in memory."""

_REPORTS_PER_S = 100.0
"""The most reports in a second from all trials together: each takes the driver some milliseconds."""

_LONGEST_REPORT_S = 10.0
"""The most seconds between two reports of a trial, which notices at a report that it must stop."""

_WAITING_BY_DEFAULT = 200
"""Trials that wait for a place, by Tune's default. For a search algorithm that it does not know, it takes only one."""

_MEMORY_STEP = 1 << 30
"""Trials ask for memory in multiples of so many bytes; those that need less do not ask."""


def fit(
    trials: Sequence[Sequence[PlannedBundle]],
    settings: TrialSettings,
    *,
    cluster: Cluster,
    stop: StopRequest,
    progress: Progress,
    after_part: Callable[[], object],
) -> tuple[Failure, ...]:
    """Train trials on the connected Ray cluster, in their order, in Tune runs of 5,000 trials at most.

    Args:
        trials: The bundles of each trial: one, or several that are packed.
        settings: What all trials share.
        cluster: The cluster.
        stop: Decides whether to stop.
        progress: Counts what trials report.
        after_part: Called between two Tune runs, while no trial trains.

    Returns:
        The failures: one for each trial that failed, or for each experiment of a packed one that did.
    """
    trainable = tune.with_parameters(SurveyTrial, settings=settings)
    room = room_for(trials, cluster)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(TRIALS_PER_TUNE_RUN if room else most_waiting(trials, cluster))
    trainable = _named(tune.with_resources(trainable, partial(resources, node_memory=cluster.node_memory)))
    failures: list[Failure] = []
    for first in range(0, len(trials), TRIALS_PER_TUNE_RUN):
        if first and not stop.stop_all():  # for an export there may be neither time nor a tracking server
            after_part()
        if stop.stop_all():
            break
        part = trials[first : first + TRIALS_PER_TUNE_RUN]
        with changed_tune(cluster):
            failures += _tune_run(trainable, part, room, cluster.scratch, stop, progress)
    return tuple(failures)


def _tune_run(
    trainable: Any,
    trials: Sequence[Sequence[PlannedBundle]],
    room: Room | None,
    scratch: Path,
    stop: StopRequest,
    progress: Progress,
) -> list[Failure]:
    """Train trials in one Tune run; return their failures, as `fit` does."""
    # Tune's own state is not kept: the results show what is done, and trials have checkpoints of their own.
    with tempfile.TemporaryDirectory(prefix="tune-", dir=scratch) as folder:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=PlanOrder(trials, room),
                num_samples=len(trials),
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="survey",
                storage_path=folder,
                stop=stop,
                callbacks=[ReportCounter(progress), LostWorkers()],
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
                # As at a terminal, where it is silent: that of notebooks clears the cell whatever `verbose` says.
                progress_reporter=tune.CLIReporter(),
            ),
        )
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        results = tuner.fit()
        return [failure for result in results for failure in _failures(result)]


def _failures(result: Any) -> Iterator[Failure]:
    """Yield the failure of a trial, or those of its packed experiments, as `fit` returns them."""
    if result.error is not None:
        yield Failure(label_of(result.config), last_line(result.error))
        return
    for number, error in ((result.metrics or {}).get("failed") or {}).items():
        yield Failure(experiment_of(configs_of(result.config)[int(number)]).label, error)


def report_every_s(num_trials: float) -> float:
    """Return the seconds between two reports of a trial if this many train at a time."""
    return min(_LONGEST_REPORT_S, max(1.0, num_trials / _REPORTS_PER_S))


def most_waiting(trials: Sequence[Sequence[PlannedBundle]], cluster: Cluster) -> int:
    """Return how many trials may wait for a place at a time.

    When a worker is free, Tune gives it any of those that wait for the same, not the first, though the plan has put the
    longest in front. So only as many wait as there are places, where all ask for the same on a machine that does not
    grow. Else as many as by Tune's default: some may find a place where others do not.
    """
    places = math.ceil(1.1 * cluster.num_cpus)
    asked = {tuple(_asked(trial[0].num_gpus, trial[0].bundle_bytes, cluster.node_memory).items()) for trial in trials}
    return places if cluster.is_local and len(asked) == 1 else max(_WAITING_BY_DEFAULT, places)


def room_for(trials: Sequence[Sequence[PlannedBundle]], cluster: Cluster) -> Room | None:
    """Return how many trials of each kind may train or wait at a time; None if the plan has only one kind."""
    on_gpus = [trial for trial in trials if trial[0].num_gpus]
    if not on_gpus or len(on_gpus) == len(trials):
        return None
    least = min(trial[0].num_gpus for trial in on_gpus)
    shares = Places(int(cluster.num_cpus), cluster.num_gpus).num_shares(least)
    return Room(shares, most_waiting(on_gpus, cluster), partial(float, cluster.num_cpus) if cluster.is_local else _cpus)


def _cpus() -> float:
    """Cores that the cluster has now."""
    return ray.cluster_resources().get("CPU", 0.0)


def resources(config: Mapping[str, Any], *, node_memory: int) -> tune.PlacementGroupFactory:
    """Return what a trial asks Ray for: a core, and its share of a GPU or, without one, the memory of a large network.

    A machine that lacks memory for as many trials as it has cores gets fewer of them. A trial that is larger than
    every machine gets one to itself.

    Args:
        config: What `trial_config` has made.
        node_memory: Bytes of the machine with the most memory; 0 if trials are not to ask for memory.
    """
    first, *_ = configs_of(config)
    return tune.PlacementGroupFactory([_asked(first["num_gpus"], first["bundle_bytes"], node_memory)])


def _asked(num_gpus: float, bundle_bytes: int, node_memory: int) -> dict[str, float]:
    """What a trial asks for, whose first bundle has so many GPUs and bytes."""
    asked: dict[str, float] = {"CPU": 1}
    if num_gpus:
        asked["GPU"] = num_gpus
    elif node_memory and bundle_bytes >= _MEMORY_STEP:
        asked["memory"] = min(-(-bundle_bytes // _MEMORY_STEP) * _MEMORY_STEP, node_memory)
    return asked


def _named(trainable: Any) -> Any:
    """Restore the name of the class that Tune has wrapped: Ray's dashboard lists its actors by it."""
    trainable.__name__ = trainable.__qualname__ = SurveyTrial.__name__
    return trainable


def _trial_name(trial: Any) -> str:
    """Return a name for people that is also safe as a file name."""
    return label_of(trial.config).replace(" ", "_").replace("/", "-") + f"_{trial.trial_id}"
