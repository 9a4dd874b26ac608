"""The plan: experiments x repetitions, less what is done, as trials with their resources.

What is done is asked of the result store; the plan holds no state of its own. So resuming, extending a grid, adding
repetitions and overlapping sweeps are one act.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from survey.experiment import TEST_SPLIT, Experiment
from survey.space import SearchSpace
from survey.tasks import TaskDescription
from survey.topology import layer_widths, within_tolerance

GPU_FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Fractions of a GPU that a trial can have: few, as an actor is used again only for the same request."""

_FLOPS_PER_S, _STEP_S, _EPOCH_S, _TRIAL_S = 4e10, 3e-4, 2e-3, 0.2
"""A rough model of one CPU core: arithmetic on small matrices, and what a step, an epoch and a trial cost beside it."""


@dataclass(frozen=True)
class PlannedTrial:
    """An experiment with those of its repetitions that are to be trained.

    Attributes:
        experiment: The hyperparameters.
        repetitions: Numbers of the repetitions to train, from 0.
        num_repetitions: How many repetitions the survey asks for altogether.
        widths: Layer widths of the network.
        num_free_parameters: Its exact number of trainable parameters.
        cost_s: Estimated seconds on a core: for the order of trials and the time left, not for accounts.
        bundle_bytes: Estimated memory of the bundle, in bytes.
        num_gpus: Fraction of a GPU; 0 for a trial on one CPU core.
    """

    experiment: Experiment
    repetitions: tuple[int, ...]
    num_repetitions: int
    widths: tuple[int, ...]
    num_free_parameters: int
    cost_s: float
    bundle_bytes: int
    num_gpus: float = 0.0

    @property
    def run_epochs(self) -> int:
        """Number of epochs, summed over the repetitions."""
        return self.experiment.epochs * len(self.repetitions)


@dataclass(frozen=True)
class Plan:
    """What a launch is to train, and what it need not.

    Attributes:
        trials: What is to be trained, in the order of scheduling: by GPU fraction, then longest first.
        num_experiments: Experiments within the size tolerance.
        num_experiments_done: Those of which every repetition is done.
        num_out_of_tolerance: Experiments left out because no network of their shape comes near their size.
        num_runs: Repetitions of all experiments.
        num_runs_done: Those that are done.
        epochs: Epochs of all experiments, done or not.
        run_epochs: Epochs of all their repetitions, done or not.
    """

    trials: tuple[PlannedTrial, ...]
    num_experiments: int
    num_experiments_done: int
    num_out_of_tolerance: int
    num_runs: int
    num_runs_done: int
    epochs: int
    run_epochs: int

    @property
    def num_runs_planned(self) -> int:
        """Repetitions to be trained."""
        return sum(len(trial.repetitions) for trial in self.trials)

    @property
    def run_epochs_planned(self) -> int:
        """Epochs to be trained, summed over repetitions."""
        return sum(trial.run_epochs for trial in self.trials)

    def on_gpus(self, fraction: Callable[[int], float]) -> Plan:
        """Give each trial the fraction of a GPU that `fraction` finds for its memory in bytes."""
        trials = [replace(trial, num_gpus=fraction(trial.bundle_bytes)) for trial in self.trials]
        return replace(self, trials=_in_order(trials))


def make_plan(
    spaces: Sequence[SearchSpace],
    *,
    contents: Mapping[str, str],
    describe: Callable[[str], TaskDescription],
    done: Mapping[int, Collection[int]],
    repetitions: int | None = None,
    limit: int | None = None,
) -> Plan:
    """Plan a survey.

    Args:
        spaces: Search spaces; an experiment of several is planned once, with the most repetitions that any asks for.
        contents: Digest of the prepared data of each task that is a user's own.
        describe: Gives rows, inputs and outputs of a task by its name.
        done: Repetitions that are done, by experiment_id.
        repetitions: Overrides what the search spaces ask for.
        limit: Take the first so many experiments only.
    """
    wanted: dict[Experiment, int] = {}
    for space in spaces:
        for experiment in space.experiments(contents):
            wanted[experiment] = max(wanted.get(experiment, 0), repetitions or space.repetitions)

    trials: list[PlannedTrial] = []
    experiments = finished = out_of_tolerance = runs = runs_done = epochs = run_epochs = 0
    for experiment, asked in wanted.items():
        if limit is not None and experiments >= limit:
            break
        task = describe(experiment.dataset)
        widths, parameters = layer_widths(
            experiment.shape, experiment.size, experiment.depth, task.num_inputs, task.num_outputs
        )
        if not within_tolerance(parameters, experiment.size):
            out_of_tolerance += 1
            continue
        done_here = set(done.get(experiment.experiment_id, ()))
        missing = tuple(number for number in range(asked) if number not in done_here)
        experiments += 1
        finished += not missing
        runs += asked
        epochs += experiment.epochs
        run_epochs += experiment.epochs * asked
        runs_done += asked - len(missing)
        if missing:
            trials.append(_trial(experiment, missing, asked, widths, parameters, task))
    return Plan(_in_order(trials), experiments, finished, out_of_tolerance, runs, runs_done, epochs, run_epochs)


def _in_order(trials: Iterable[PlannedTrial]) -> tuple[PlannedTrial, ...]:
    """By GPU fraction, as actors are used again only for the same; then longest first, so that no core idles long."""
    return tuple(sorted(trials, key=lambda trial: (-trial.num_gpus, -trial.cost_s)))


def _trial(
    experiment: Experiment,
    missing: tuple[int, ...],
    asked: int,
    widths: tuple[int, ...],
    parameters: int,
    task: TaskDescription,
) -> PlannedTrial:
    train_rows = round(task.rows * (1 - TEST_SPLIT))
    steps = -(-train_rows // experiment.batch_size)
    # Forward, and backward by inputs and by weights: two operations each for every parameter and row.
    flops = len(missing) * 6.0 * parameters * task.rows
    cost_s = _TRIAL_S + experiment.epochs * (flops / _FLOPS_PER_S + steps * _STEP_S + _EPOCH_S)
    activations = experiment.batch_size * (task.num_inputs + 3 * sum(widths))
    stored = task.rows * (2 * task.num_outputs + 4)
    size = 4 * (len(missing) * (6 * parameters + activations + stored) + task.rows * (task.num_inputs + 1))
    return PlannedTrial(experiment, missing, asked, widths, parameters, cost_s, size)


def fraction_for(bundle_bytes: int, gpu_bytes: int) -> float:
    """The least of `GPU_FRACTIONS` whose share of the card's memory holds the bundle and CUDA's own half gibibyte."""
    needed = (bundle_bytes + (1 << 29)) / gpu_bytes
    return next((fraction for fraction in GPU_FRACTIONS if needed <= fraction), 1.0)
