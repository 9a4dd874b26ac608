"""The plan: experiments x repetitions, less what is done, as trials with their resources.

What is done is asked of the result store; the plan holds no state of its own. So resuming, extending a grid, adding
repetitions and overlapping sweeps are one act.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise

from survey.cost import CostModel, Work, default_model, epoch_work, run_bytes, task_bytes
from survey.experiment import Experiment
from survey.space import SearchSpace
from survey.tasks import TaskDescription
from survey.topology import layer_widths, within_tolerance

GPU_FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Fractions of a GPU that a trial can have: few, as an actor is used again only for the same request."""


def resource_name(num_gpus: float) -> str:
    """What a trial with that part of a GPU takes, in words: `1/8 GPU`; without one, `1 CPU core`."""
    if not num_gpus:
        return "1 CPU core"
    parts = round(1 / num_gpus)
    return f"1/{parts} GPU" if parts > 1 and math.isclose(parts * num_gpus, 1.0) else f"{num_gpus:g} GPU"


LONGEST_TRIAL_S = 24 * 3600.0
"""Estimated time on a core or a GPU beyond which the repetitions of an experiment are split into several trials."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How large a trial may become before its repetitions are split.

    A bundle is split into parts of equally many repetitions, as few as keep each part within both bounds. It is split
    as if all of its repetitions were to be trained, and by the built-in cost model, so that the parts are the same at
    each launch and a part that was cut short finds its checkpoint. No run's numbers depend
    on it, but for rounding on a GPU.

    Attributes:
        seconds: Longest time on a core or a GPU, by `survey.cost.default_model`.
        memory_bytes: Memory that a trial may take.
    """

    seconds: float = LONGEST_TRIAL_S
    memory_bytes: int = 1 << 62


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """An experiment with those of its repetitions that are to be trained.

    Attributes:
        experiment: The hyperparameters.
        repetitions: Numbers of the repetitions to train, from 0.
        num_repetitions: How many repetitions the survey asks for altogether.
        widths: Layer widths of the network.
        num_free_parameters: Its exact number of trainable parameters.
        work: What an epoch makes the device do.
        cost_s: Estimated seconds on its device.
        training_s: Those of them in training.
        bundle_bytes: Estimated memory of the bundle, in bytes.
        num_gpus: Fraction of a GPU; 0 for a trial on one CPU core.
    """

    experiment: Experiment
    repetitions: tuple[int, ...]
    num_repetitions: int
    widths: tuple[int, ...]
    num_free_parameters: int
    work: Work
    cost_s: float
    training_s: float
    bundle_bytes: int
    num_gpus: float = 0.0

    @property
    def run_epochs(self) -> int:
        """Number of epochs, summed over the repetitions."""
        return self.experiment.epochs * len(self.repetitions)


@dataclass(frozen=True, slots=True)
class Joining:
    """Which experiments are joined to one trial on a GPU: small ones, each of which leaves most of it idle.

    Attributes:
        size: Experiments of a trial, at most.
        most_flops: Operations of all matrix products of a step beyond which experiments stay alone.
        gain: How many times as fast they are together as one after the other.
        num_gpus: Share of a GPU that they have together. Of the whole one they make the most: where processes take
            turns on it, they gain nothing from standing side by side (docs/performance.md).
    """

    size: int
    most_flops: float = math.inf
    gain: float = 1.0
    num_gpus: float = 1.0


@dataclass(frozen=True)
class Plan:
    """What a launch is to train, and what it need not.

    Attributes:
        trials: What is to be trained, in the order of scheduling: by GPU fraction, then longest first. Each is one
            experiment; what is joined stands together.
        num_experiments: Experiments within the size tolerance.
        num_experiments_done: Those of which every repetition is done.
        num_out_of_tolerance: Experiments left out because no network of their shape comes near their size.
        num_runs: Repetitions of all experiments.
        num_runs_done: Those that are done.
        epochs: Epochs of all experiments, done or not.
        run_epochs: Epochs of all their repetitions, done or not.
        sweeps_per_experiment: In how many of the search spaces an experiment is, on average.
        guessed: Tasks of which a number was guessed, see `survey.tasks.describe`.
        joined: How many of `trials`, one after the other, are one trial of Tune; empty where none is joined.
    """

    trials: tuple[PlannedTrial, ...]
    num_experiments: int
    num_experiments_done: int
    num_out_of_tolerance: int
    num_runs: int
    num_runs_done: int
    epochs: int
    run_epochs: int
    sweeps_per_experiment: float = 1.0
    guessed: tuple[str, ...] = ()
    joined: tuple[int, ...] = ()

    @cached_property
    def groups(self) -> tuple[tuple[PlannedTrial, ...], ...]:
        """What each trial of Tune is to train."""
        if not self.joined:
            return tuple((trial,) for trial in self.trials)
        ends = accumulate(self.joined)
        return tuple(self.trials[end - count : end] for end, count in zip(ends, self.joined, strict=True))

    @property
    def num_runs_planned(self) -> int:
        """Repetitions to be trained."""
        return sum(len(trial.repetitions) for trial in self.trials)

    @property
    def run_epochs_planned(self) -> int:
        """Epochs to be trained, summed over repetitions."""
        return sum(trial.run_epochs for trial in self.trials)

    def with_costs(self, model: CostModel) -> Plan:
        """Estimate the trials' costs by another model, and order them by it; none is joined."""
        trials = []
        for trial in self.trials:
            cost_s, training_s = model.bundle_s(trial.work, epochs=trial.experiment.epochs, runs=len(trial.repetitions))
            trials.append(replace(trial, cost_s=cost_s, training_s=training_s))
        return replace(self, trials=_in_order(trials), joined=())

    def on_gpus(self, fraction: Callable[[int], float], joining: Joining | None = None) -> Plan:
        """Join trials, and give each the fraction of a GPU that `fraction` finds for its memory in bytes.

        What is joined is alike in cost, so that it ends together, and takes half of a GPU's memory at most, unless
        `fraction` is the same for all.
        """
        placed = []
        for group in _joined(_in_order(self.trials), joining, fraction):
            gain, num_gpus = 1.0, fraction(group[0].bundle_bytes)
            if joining and len(group) > 1:
                gain, num_gpus = joining.gain, joining.num_gpus
            placed.append(
                [
                    replace(each, num_gpus=num_gpus, cost_s=each.cost_s / gain, training_s=each.training_s / gain)
                    for each in group
                ]
            )
        # By fraction first, as actors are used again only for the same.
        placed.sort(key=lambda group: (-group[0].num_gpus, -sum(trial.cost_s for trial in group)))
        trials = tuple(trial for group in placed for trial in group)
        joined = tuple(len(group) for group in placed) if len(placed) < len(trials) else ()
        return replace(self, trials=trials, joined=joined)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause Python's collector of cyclic garbage, which else walks through all of a large plan again and again.

    A plan has no cycles. For all published sweeps, planning takes a third less time with it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@collector_paused()
def make_plan(
    spaces: Sequence[SearchSpace],
    *,
    contents: Mapping[str, str],
    describe: Callable[[str], TaskDescription],
    done: Mapping[int, Collection[int]],
    repetitions: int | None = None,
    limit: int | None = None,
    bound: Bound = Bound(),
    on_gpu: bool = False,
) -> Plan:
    """Plan a survey.

    Args:
        spaces: Search spaces; an experiment of several is planned once, with the most repetitions that any asks for.
        contents: Digest of the prepared data of each task that is a user's own.
        describe: Gives rows, inputs and outputs of a task by its name.
        done: Repetitions that are done, by experiment_id.
        repetitions: Overrides what the search spaces ask for.
        limit: Take the first so many experiments only.
        bound: How large a trial may become before its repetitions are split.
        on_gpu: Whether its work is to be that of a GPU.
    """
    wanted: dict[Experiment, int] = {}
    memberships = 0
    for space in spaces:
        for experiment in space.experiments(contents):
            wanted[experiment] = max(wanted.get(experiment, 0), repetitions or space.repetitions)
            memberships += 1

    tasks: dict[str, TaskDescription] = {}
    trials: list[PlannedTrial] = []
    experiments = finished = out_of_tolerance = runs = runs_done = epochs = run_epochs = 0
    for experiment, asked in wanted.items():
        if limit is not None and experiments >= limit:
            break
        task = tasks.get(experiment.dataset)
        if task is None:
            task = tasks[experiment.dataset] = describe(experiment.dataset)
        network = layer_widths(experiment.shape, experiment.size, experiment.depth, task.num_inputs, task.num_outputs)
        if not within_tolerance(network[1], experiment.size):
            out_of_tolerance += 1
            continue
        missing = _missing(experiment, asked, done)
        experiments += 1
        finished += not missing
        runs += asked
        epochs += experiment.epochs
        run_epochs += experiment.epochs * asked
        runs_done += asked - len(missing)
        if missing:
            trials += _trials(experiment, missing, asked, network, task, bound, on_gpu=on_gpu)
    return Plan(
        _in_order(trials),
        num_experiments=experiments,
        num_experiments_done=finished,
        num_out_of_tolerance=out_of_tolerance,
        num_runs=runs,
        num_runs_done=runs_done,
        epochs=epochs,
        run_epochs=run_epochs,
        sweeps_per_experiment=memberships / max(1, len(wanted)),
        guessed=tuple(name for name, task in tasks.items() if task.inputs_guessed),
    )


def _joined(
    trials: Iterable[PlannedTrial], joining: Joining | None, fraction: Callable[[int], float]
) -> list[list[PlannedTrial]]:
    """Join those that may be, in their order; each that may not is alone."""
    groups: list[list[PlannedTrial]] = []
    begun: list[PlannedTrial] = []
    for trial in trials:
        if joining is None or trial.work.flops / trial.work.steps > joining.most_flops:
            groups.append([trial])
        elif begun and len(begun) < joining.size and _have_room(begun, trial, fraction):
            begun.append(trial)
        else:
            begun = [trial]
            groups.append(begun)
    return groups


def _have_room(group: Sequence[PlannedTrial], trial: PlannedTrial, fraction: Callable[[int], float]) -> bool:
    """Whether half of a GPU holds a group with another trial, or it has a fixed share whatever it takes."""
    return fraction(sum(each.bundle_bytes for each in (*group, trial))) <= max(0.5, fraction(0))


def _missing(experiment: Experiment, asked: int, done: Mapping[int, Collection[int]]) -> tuple[int, ...]:
    done_here = done.get(experiment.experiment_id) if done else None
    if not done_here:
        return _range(0, asked)
    return tuple([number for number in range(asked) if number not in done_here])


@lru_cache(maxsize=4096)
def _range(first: int, end: int) -> tuple[int, ...]:
    return tuple(range(first, end))


def _in_order(trials: Iterable[PlannedTrial]) -> tuple[PlannedTrial, ...]:
    """Longest first, so that no core idles long."""
    return tuple(sorted(trials, key=lambda trial: -trial.cost_s))


def _trials(
    experiment: Experiment,
    missing: tuple[int, ...],
    asked: int,
    network: tuple[tuple[int, ...], int],
    task: TaskDescription,
    bound: Bound,
    *,
    on_gpu: bool,
) -> Iterator[PlannedTrial]:
    """Yield the trials of an experiment: one, or one for each part of its repetitions that lacks some."""
    model = default_model(on_gpu=on_gpu)
    whole = epoch_work(experiment, task, *network, runs=asked, on_gpu=on_gpu)
    seconds, _ = model.bundle_s(whole, epochs=experiment.epochs, runs=asked)
    per_run_bytes, shared_bytes = run_bytes(experiment, task, *network), task_bytes(task)
    parts = max(
        math.ceil(seconds / bound.seconds),
        math.ceil(asked * per_run_bytes / max(1, bound.memory_bytes - shared_bytes)),
    )
    estimates: dict[int, tuple[Work, float, float, int]] = {}
    for numbers in [missing] if parts <= 1 else _split(missing, asked, min(parts, asked)):
        runs = len(numbers)
        if runs not in estimates:
            part = epoch_work(experiment, task, *network, runs=runs, on_gpu=on_gpu)
            times = model.bundle_s(part, epochs=experiment.epochs, runs=runs)
            estimates[runs] = part, *times, shared_bytes + runs * per_run_bytes
        yield PlannedTrial(experiment, numbers, asked, *network, *estimates[runs])


def _split(missing: tuple[int, ...], asked: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Yield what is missing of each part of all repetitions, where something is."""
    whole = len(missing) == asked
    for first, end in pairwise([asked * part // parts for part in range(parts + 1)]):
        numbers = _range(first, end)
        if not whole:
            numbers = tuple([number for number in missing if first <= number < end])
        if numbers:
            yield numbers


def fraction_for(bundle_bytes: int, gpu_bytes: int) -> float:
    """The least of `GPU_FRACTIONS` whose share of the card's memory holds the bundle and CUDA's own half gibibyte."""
    needed = (bundle_bytes + (1 << 29)) / gpu_bytes
    return next((fraction for fraction in GPU_FRACTIONS if needed <= fraction), 1.0)
