"""What the driver spends on each trial: `python -m benchmarks.overhead 1000`.

A survey of so many trials whose trials train nothing: they report once, that they are done. Prints the driver's
processor time for each trial and its largest resident memory.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from rich.console import Console

from survey.cluster import connect, disconnect
from survey.experiment import Experiment
from survey.plan import PlannedTrial

_CORES = 2


def planned(count: int) -> list[PlannedTrial]:
    """Trials of as many experiments, which differ in their learning rate."""
    return [
        PlannedTrial(
            Experiment(
                dataset="sklearn:iris",
                shape="rectangle",
                size=64,
                depth=3,
                epochs=100,
                learning_rate=(number + 1) / 1e6,
            ),
            tuple(range(5)),
            5,
            (5, 5, 3),
            73,
            1.0,
            1 << 20,
        )
        for number in range(count)
    ]


def main(count: int) -> None:
    """Run it and print a line."""
    connect(address=None, num_cpus=_CORES, num_gpus=None, dashboard=False, environment={})
    from survey import fit, trial
    from survey.progress import Progress
    from survey.stopping import StopRequest

    class Nothing(trial.SurveyTrial):
        """A trial that has nothing to do."""

        def setup(self, config, **_shared):
            """Take nothing."""

        def reset_config(self, new_config):
            """Go on with another."""
            return True

        def cleanup(self):
            """Nothing to close."""

        def step(self):
            """Be done at once."""
            return {"done": True, "done_training": True, "epoch": 100, "run_epochs": 500, "loop_s": 0.0}

    fit.SurveyTrial = Nothing
    trials = planned(count)
    began, cpu_began = time.perf_counter(), time.process_time()
    with Progress(Console(quiet=True), num_runs=5 * count, total_cost=count) as progress:
        failures = fit.fit(
            trials,
            tasks={},
            tracking=None,
            origin={},
            checkpoints=Path(),
            stop=StopRequest(),
            progress=progress,
            after_part=lambda: None,
        )
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    disconnect()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:,} trials: {1000 * cpu_s / count:.1f} ms of the driver's CPU and {1000 * wall_s / count:.1f} ms of "
        f"wall time for each, {peak_mib:,.0f} MiB at most, {len(failures)} failures"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
