"""What the driver spends on each trial: `python -m benchmarks.overhead 1000`.

A survey of so many trials whose trials train nothing: they report once, that they are done, or as often as `--reports`
says. Prints the driver's processor time for each trial, in all and in each fifth of the survey, and its largest
resident memory; with `--profile`, also the functions that took the most.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from survey.cluster.connection import Cluster, connected
from survey.networks.search_space import Grid, SearchSpace
from survey.networks.workload import WORKLOAD
from survey.plan.bundles import PlannedBundle
from survey.plan.make_plan import Device, make_plan

_CORES = 2

Groups = Sequence[Sequence[PlannedBundle]]


def planned(count: int) -> Groups:
    """Trials of as many experiments, which differ in their learning rate."""
    rates = [(number + 1) / 1e6 for number in range(count)]
    grid = Grid(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=100, learning_rate=rates)
    space = SearchSpace(name="overhead", repetitions=5, grids=[grid])
    needs, model = WORKLOAD.data([space]).needs, WORKLOAD.cost_model(on_gpu=False)
    return make_plan([space], contents={}, needs=needs, device=Device(model)).trials


def train_nothing(trials: Groups, cluster: Cluster, reports: int) -> tuple[list[float], int]:
    """Run trials that train nothing; return the driver's CPU seconds at the end of each trial, and failures."""
    from survey.trials import trainable, tune
    from survey.trials.messages import TrialSettings
    from survey.trials.progress import Progress, ReportCounter
    from survey.trials.stopper import StopRequest

    class Nothing(trainable.SurveyTrial):
        """A trial that has nothing to do."""

        def setup(self, config, **_shared):
            """Take nothing."""

        def __repr__(self):
            """What Ray lists."""
            return "nothing"

        def reset_config(self, new_config):
            """Go on with another."""
            return True

        def cleanup(self):
            """Nothing to close."""

        def step(self):
            """Be done after so many reports."""
            is_done = self.iteration + 1 >= reports
            return {
                "done": is_done,
                "done_training": is_done,
                "epoch": self.iteration + 1,
                "run_epochs": 5,
                "by_experiment": {0: (self.iteration + 1, 5, is_done)},
                "loop_s": 0.0,
            }

    class Timed(ReportCounter):
        """Counts reports, and notes when each trial has ended."""

        def on_trial_complete(self, *arguments, **values):
            """Note the time."""
            super().on_trial_complete(*arguments, **values)
            ends.append(time.process_time())

    ends: list[float] = [time.process_time()]
    tune.SurveyTrial, tune.ReportCounter = Nothing, Timed
    runs = sum(len(each.repetitions) for group in trials for each in group)
    with Progress(Console(quiet=True), name="overhead", num_runs=runs, total_cost=len(trials)) as progress:
        failures = tune.fit(
            trials,
            TrialSettings(workload="networks", data={}, tracking=None, origin={}, checkpoints=Path(), states=Path()),
            cluster=cluster,
            stop=StopRequest(),
            progress=progress,
            after_part=lambda: None,
        )
    ends[-1] = time.process_time()
    return ends, len(failures)


def main() -> None:
    """Run it and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--reports", type=int, default=1, help="Reports of each trial.")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    count = options.count
    trials = planned(count)
    asked = {"num_cpus": _CORES, "num_gpus": None, "dashboard": False, "environment": {}}
    with connected(survey="overhead", address=None, **asked) as cluster:
        profile, began = cProfile.Profile(), time.perf_counter()
        if options.profile:
            profile.enable()
        ends, failures = train_nothing(trials, cluster, options.reports)
        profile.disable()
        wall_s = time.perf_counter() - began
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    fifths = [ends[count * k // 5] for k in range(6)]
    each = [f"{5000 * (after - before) / count:.1f}" for before, after in pairwise(fifths)]
    print(
        f"{count:,} trials: {1000 * (ends[-1] - ends[0]) / count:.1f} ms of the driver's CPU for each (by fifths of "
        f"the survey {', '.join(each)}) and {1000 * wall_s / count:.1f} ms of wall time, {peak_mib:,.0f} MiB at most, "
        f"{failures} failures"
    )
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
