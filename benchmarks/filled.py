"""An output as a survey of any size leaves it, made by the survey's own writers from made-up curves.

python -m benchmarks.filled FOLDER --experiments 10000 --repetitions 10 --epochs 300
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from survey.dataset.history import history_table
from survey.dataset.layout import partition_of
from survey.networks.columns import COLUMNS
from survey.networks.description import described
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import HISTORY_COLUMNS, METRICS
from survey.networks.search_space import Grid, SearchSpace
from survey.networks.topology import layer_widths
from survey.output.folder import Output
from survey.tasks.prepared import PreparedTask
from survey.tracking.store import TrackingStore
from survey.tracking.trial_run import TrackedTrial, TrackingSettings, TrialRun

_TASK = PreparedTask("sklearn:digits", "classification", np.zeros((10, 64), "f4"), np.zeros((10, 10), "f4"))


def space(epochs: int) -> SearchSpace:
    """A grid of some 100,000 experiments, with up to 21 sizes in a partition, as in the published primary sweep."""
    grid = Grid(
        dataset="sklearn:digits",
        learning_rate=[round(1e-4 * 1.3**k, 8) for k in range(25)],
        batch_size=[32, 64, 128, 256],
        shape=["rectangle", "trapezoid", "exponential", "wide_first_2x"],
        depth=[3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20],
        size={"powers_of_two": [5, 25]},
        epochs=epochs,
    )
    return SearchSpace(name="filled", grids=(grid,))


def fill(folder: Path, experiments: Sequence[NetworkExperiment], repetitions: Sequence[int]) -> None:
    """Leave an output and its store as after trials of these experiments, in as many processes as there are cores."""
    output = Output.at(folder)
    output.prepare()
    output.record([space(experiments[0].epochs)], {})
    store = TrackingStore(output.default_tracking_uri, output_id=output.output_id)
    location = output.artifacts.as_uri()
    experiment_id = store.open_experiment("filled", note="", artifact_location=location)
    settings = TrackingSettings(
        store.uri,
        experiment_id,
        all_epochs=False,
        repetition_runs=False,
        metrics=METRICS,
        sql_artifacts=store.sql_artifacts(experiment_id),
    )
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context) as pool:
        for _ in pool.map(partial(_train, settings, tuple(repetitions)), experiments, chunksize=50):
            pass


def _train(settings: TrackingSettings, repetitions: tuple[int, ...], experiment: NetworkExperiment) -> None:
    """What a trial leaves: its MLflow run, with the statistics of its last epoch only, and its history."""
    run = TrialRun(settings, TrackedTrial(experiment, repetitions, len(repetitions), params={}, trial_id="made-up"))
    widths, _ = layer_widths(experiment.shape, experiment.size, experiment.depth, _TASK.num_inputs, _TASK.num_outputs)
    curves = _curves(experiment, repetitions)
    run.log_epoch(experiment.epochs, curves[:, :, -1])
    origin = {"batch": "filled", "start_time": 0, "update_time": 0, "mlflow_run_id": run.run_id}
    named = dict(zip(HISTORY_COLUMNS, curves, strict=True))
    about = described(experiment, _TASK, widths)
    run.finish(history_table(COLUMNS, experiment, repetitions, about, named, origin))


def _curves(experiment: NetworkExperiment, repetitions: Sequence[int]) -> np.ndarray:
    """float32 [20, repetitions, epochs]: falling and noisy, as losses are."""
    random = np.random.default_rng([experiment.experiment_id, *repetitions])
    epoch = np.arange(1, experiment.epochs + 1, dtype=np.float32)
    level = random.uniform(0.1, 2.0, (20, len(repetitions), 1)).astype(np.float32)
    noise = random.standard_normal((20, len(repetitions), experiment.epochs), np.float32)
    return level * (epoch**-0.3 + 0.01 * noise)


def main() -> None:
    """Fill a folder and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--skip", type=int, default=0, help="experiments of the grid to leave out before")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=300)
    options = parser.parse_args()
    in_order = sorted(space(options.epochs).experiments({}), key=partial(partition_of, columns=COLUMNS))
    experiments = in_order[options.skip :][: options.experiments]
    began = time.perf_counter()
    fill(options.folder, experiments, range(options.repetitions))
    print(f"{len(experiments):,} experiments in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
