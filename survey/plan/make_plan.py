"""From search spaces to a plan: experiments x repetitions minus completed runs, split where they are too large."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from survey.errors import InputError
from survey.plan.bundles import KeptState, PlannedBundle, in_order
from survey.plan.plan import Plan
from survey.spaces.search_space import BaseSpace
from survey.system.gc_pause import collector_paused
from survey.workloads.cost import CostModel, Work
from survey.workloads.experiment import Experiment
from survey.workloads.limits import MOST_EXPERIMENTS
from survey.workloads.workload import Needs

LONGEST_TRIAL_S = 24 * 3600.0
"""Estimated time on a core or a GPU beyond which the repetitions of an experiment are split into several trials."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How large a trial may become before its repetitions are split.

    A bundle is split into the fewest parts, of equally many repetitions, that are within both bounds. It is split as if
    none of its repetitions were done, and by the built-in cost model, so that the parts are the same at each launch and
    an interrupted part finds its checkpoint. Except for rounding on a GPU, no run's numbers depend on it.

    Attributes:
        seconds: Longest time on a core or a GPU, by the workload's built-in cost model.
        memory_bytes: Memory that a trial may take.
    """

    seconds: float = LONGEST_TRIAL_S
    memory_bytes: int = 1 << 62


@dataclass(frozen=True, slots=True)
class Device:
    """What trials are planned for: a core, or a GPU.

    Attributes:
        model: Built-in costs of it.
        is_gpu: Whether it is a GPU.
        bound: How large a trial may become on it.
    """

    model: CostModel
    is_gpu: bool = False
    bound: Bound = Bound()


@dataclass(frozen=True, slots=True)
class Existing:
    """What earlier launches have left.

    Attributes:
        done: Repetitions that are done, by experiment_id.
        states: States from which runs can go on, by `Experiment.prefix_id`.
    """

    done: Mapping[int, Collection[int]] = field(default_factory=dict)
    states: Mapping[int, Sequence[KeptState]] = field(default_factory=dict)


@collector_paused()
def make_plan(
    spaces: Sequence[BaseSpace],
    *,
    contents: Mapping[str, str],
    needs: Callable[[Experiment], Needs | None],
    device: Device,
    existing: Existing = Existing(),
    repetitions: int | None = None,
    limit: int | None = None,
) -> Plan:
    """Plan a survey.

    Args:
        spaces: Search spaces; an experiment of several is planned once, with the most repetitions that any asks for.
        contents: Digests of data that are part of the identity, see `survey.workloads.workload.SurveyData`.
        needs: Returns what the training of an experiment needs; None if it is left out.
        device: What trains.
        existing: What need not be trained again.
        repetitions: Overrides the number in the search spaces.
        limit: Plan only the first `limit` experiments.

    Raises:
        InputError: There are too many trials to plan.
    """
    wanted, memberships = _wanted(spaces, contents, repetitions)
    bundles: list[PlannedBundle] = []
    experiments = finished = left_out = runs = runs_done = 0
    recorded: dict[tuple[str, ...], list[int]] = {}  # epochs of experiments and of runs, by what they record
    for experiment, asked in wanted.items():
        if limit is not None and experiments >= limit:
            break
        found = needs(experiment)
        if found is None:
            left_out += 1
            continue
        missing = _missing(experiment, asked, existing.done)
        experiments += 1
        finished += not missing
        runs += asked
        epochs = recorded.setdefault(found.metrics, [0, 0])
        epochs[0] += experiment.epochs
        epochs[1] += experiment.epochs * asked
        runs_done += asked - len(missing)
        if missing:
            if existing.states:
                states = _states(experiment, missing, existing.states)
                bundles += _continued(experiment, states, asked, found, device)
                begun = {number for state in states for number in state.repetitions}
                missing = tuple([number for number in missing if number not in begun])
            if missing:
                bundles += _bundles(experiment, missing, asked, found, device)
            if len(bundles) > MOST_EXPERIMENTS:
                raise _too_many(spaces)
    return Plan(
        in_order(bundles),
        num_experiments=experiments,
        num_experiments_done=finished,
        num_left_out=left_out,
        num_runs=runs,
        num_runs_done=runs_done,
        epochs={names: epochs for names, (epochs, _) in recorded.items()},
        run_epochs={names: epochs for names, (_, epochs) in recorded.items()},
        sweeps_per_experiment=memberships / max(1, len(wanted)),
    )


def _wanted(
    spaces: Sequence[BaseSpace], contents: Mapping[str, str], repetitions: int | None
) -> tuple[dict[Experiment, int], int]:
    """The number of repetitions of each experiment, and how often all spaces together name one."""
    wanted: dict[Experiment, int] = {}
    memberships = 0
    for space in spaces:
        asked = repetitions or space.repetitions
        for experiment in space.experiments(contents):
            if wanted.setdefault(experiment, asked) < asked:
                wanted[experiment] = asked
            memberships += 1
    return wanted, memberships


def _too_many(spaces: Sequence[BaseSpace]) -> InputError:
    return InputError(
        f"{', '.join(space.name for space in spaces)}: expected {MOST_EXPERIMENTS:,} trials at most, found more, as "
        f"large experiments are split by their repetitions; ask for fewer of them, or for a part of the experiments"
    )


def _missing(experiment: Experiment, asked: int, done: Mapping[int, Collection[int]]) -> tuple[int, ...]:
    done_here = done.get(experiment.experiment_id) if done else None
    if not done_here:
        return _split(asked, 1)[0]
    return tuple([number for number in range(asked) if number not in done_here])


def _states(
    experiment: Experiment, missing: tuple[int, ...], kept: Mapping[int, Sequence[KeptState]]
) -> list[KeptState]:
    """The states to go on from: those of most epochs first, of runs that are all missing."""
    left, found = set(missing), list[KeptState]()
    candidates = kept.get(experiment.prefix_id, ()) if experiment.draws == "paired" else ()
    for state in sorted(candidates, key=lambda each: (-each.epochs, each.repetitions)):
        if state.epochs < experiment.epochs and left.issuperset(state.repetitions):
            left.difference_update(state.repetitions)
            found.append(state)
    return found


def _continued(
    experiment: Experiment, states: Iterable[KeptState], asked: int, needs: Needs, device: Device
) -> Iterator[PlannedBundle]:
    """Yield a bundle for each state that is gone on from."""
    for state in states:
        runs = len(state.repetitions)
        work = needs.work(runs, on_gpu=device.is_gpu)
        times = device.model.bundle_s(work, epochs=experiment.epochs - state.epochs, runs=runs)
        num_bytes = needs.shared_bytes + runs * needs.run_bytes
        yield PlannedBundle(experiment, state.repetitions, asked, needs, work, *times, num_bytes, state.epochs)


def _bundles(
    experiment: Experiment, missing: tuple[int, ...], asked: int, needs: Needs, device: Device
) -> Iterator[PlannedBundle]:
    """Yield the bundles of an experiment: one, or one for each part of its repetitions that lacks some."""
    per_run_bytes, shared_bytes, bound = needs.run_bytes, needs.shared_bytes, device.bound

    def estimate(runs: int) -> tuple[Work, float, float, int]:
        work = needs.work(runs, on_gpu=device.is_gpu)
        times = device.model.bundle_s(work, epochs=experiment.epochs, runs=runs)
        return work, *times, shared_bytes + runs * per_run_bytes

    estimates = {asked: estimate(asked)}
    parts = max(
        math.ceil(estimates[asked][1] / bound.seconds),
        math.ceil(asked * per_run_bytes / max(1, bound.memory_bytes - shared_bytes)),
    )
    for numbers in [missing] if parts <= 1 else _missing_parts(missing, asked, min(parts, asked)):
        runs = len(numbers)
        if runs not in estimates:
            estimates[runs] = estimate(runs)
        yield PlannedBundle(experiment, numbers, asked, needs, *estimates[runs])


def _missing_parts(missing: tuple[int, ...], asked: int, parts: int) -> Sequence[tuple[int, ...]]:
    """The missing repetitions of each part of all repetitions that lacks some."""
    whole = _split(asked, parts)
    if len(missing) == asked:
        return whole
    wanted = set(missing)
    left = [tuple([number for number in numbers if number in wanted]) for numbers in whole]
    return [numbers for numbers in left if numbers]


@lru_cache(maxsize=128)
def _split(asked: int, parts: int) -> tuple[tuple[int, ...], ...]:
    """Split all repetitions into parts of equally many, or nearly so."""
    bounds = [asked * part // parts for part in range(parts + 1)]
    return tuple(tuple(range(first, end)) for first, end in pairwise(bounds))
