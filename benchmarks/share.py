"""How much of a survey's processor time goes into training: `python -m benchmarks.share --experiments 1000`.

A survey of so many experiments on scikit-learn's digits, networks of 2,048 or 4,096 parameters, 300 epochs and 5
repetitions, in a folder that is removed afterwards, on 2 cores. Of every process that it starts, the processor time is
looked at twice a second until the process ends: trials, the launch itself, the processes of its export, and those of
Ray. Inside a trial, the time in the training core is measured by the clock of the thread. At the end each part is
printed, with its share of the sum. A smaller number of experiments is drawn at random from the 1,000.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import psutil
from rich.console import Console

_LOOK_EVERY_S = 0.5


def space(count: int):
    """A search space of `count` of 1,000 experiments."""
    from survey.networks.search_space import Grid, SearchSpace

    grid = Grid(
        dataset="sklearn:digits",
        shape=("rectangle", "trapezoid", "exponential", "wide_first_2x", "wide_first_4x"),
        size=(2048, 4096),
        depth=(3, 4, 5, 6, 7),
        learning_rate=(0.01, 0.003, 0.001, 0.0003, 0.0001),
        batch_size=(64, 128, 256, 512),
        epochs=300,
    )
    return SearchSpace(name="share", repetitions=5, grids=[grid], sample=count)


class ProcessorTimes(threading.Thread):
    """Notes the processor time of this process and of all that it has started, until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self._seen: dict[tuple[int, float], tuple[str, float]] = {}
        self._looking_s = 0.0

    def run(self) -> None:
        """Look twice a second, and note what that takes."""
        while not self._ended.wait(_LOOK_EVERY_S):
            self.look()
            self._looking_s = time.thread_time()

    def look(self) -> None:
        """Note what each process has used until now."""
        own = psutil.Process()
        for process in (own, *own.children(recursive=True)):
            try:
                key, times = (process.pid, process.create_time()), process.cpu_times()
                before, _ = self._seen.get(key, ("export", 0.0))
                self._seen[key] = (_part(process) or before, times.user + times.system)
            except psutil.Error:
                continue

    def stop(self) -> dict[str, float]:
        """Return the seconds of each part, without those of looking."""
        self.look()
        self._ended.set()
        self.join()
        parts: defaultdict[str, float] = defaultdict(float)
        for part, seconds in self._seen.values():
            parts[part] += seconds
        parts["launch"] -= self._looking_s
        return parts


def _part(process: psutil.Process) -> str:
    """What a process is a part of; an empty text where it has ended and its command line is gone."""
    if process.pid == os.getpid():
        return "launch"
    words = process.cmdline()
    if not words:
        return ""
    if words[0].startswith("ray::") and "Agent" not in words[0]:
        return "trials"
    return "Ray" if any("/ray/" in word or word.startswith("ray::") for word in words) else "export"


def timed_trials(folder: Path) -> None:
    """Let trials note in a file for each process how long they were in the training core."""
    from survey.trials import trainable, tune

    class SurveyTrial(trainable.SurveyTrial):
        """A trial whose process times its training."""

        def setup(self, config, **shared):
            from survey.trials.bundle import Bundle

            super().setup(config, **shared)
            file, trained_s = folder / f"{os.getpid()}.json", [0.0]

            def timed(act):
                def timed_act(bundle, *arguments):
                    began = time.thread_time()
                    act(bundle, *arguments)
                    trained_s[0] += time.thread_time() - began
                    if bundle.is_done:
                        file.write_text(json.dumps(trained_s[0]))

                return timed_act

            Bundle.start_epoch, Bundle.end_epoch = timed(Bundle.start_epoch), timed(Bundle.end_epoch)

    tune.SurveyTrial = SurveyTrial


def main() -> None:
    """Run a survey and print where its processor time went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=1000)
    options = parser.parse_args()
    times = ProcessorTimes()
    times.start()
    began = time.perf_counter()
    import survey
    import survey.cluster.connection

    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        notes.mkdir()
        timed_trials(notes)
        result = survey.run(
            space(options.experiments),
            out=Path(folder) / "out",
            num_cpus=2,
            # As for 1,000 experiments, however many there are.
            mlflow_epochs="log",
            mlflow_runs="experiment",
            console=Console(quiet=True),
        )
        parts = times.stop()
        training_s = sum(json.loads(file.read_text()) for file in notes.iterdir())
    parts["trials, in the training core"] = training_s
    parts["trials, beside it"] = parts.pop("trials") - training_s
    total_s = sum(parts.values())
    print(
        f"{result.num_runs_done:,} runs of {options.experiments:,} experiments in {time.perf_counter() - began:.0f} s"
    )
    for part, seconds in sorted(parts.items(), key=lambda each: -each[1]):
        print(f"{part:30} {seconds:8.1f} s of CPU {seconds / total_s:7.1%}")


if __name__ == "__main__":
    main()
