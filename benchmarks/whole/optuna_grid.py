"""The survey as Optuna's grid sampler runs it: two worker processes on one study, which log to MLflow.

python -m benchmarks.whole.optuna_grid FOLDER EVERY
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from benchmarks.whole.plain import runs_of, train


def work(folder: Path, every: int, ready: Barrier) -> None:
    """Take runs from the study until none is left, once all workers are `ready`."""
    import mlflow
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment("quickstart")
    runs = runs_of("quickstart", every)

    def objective(trial: optuna.Trial) -> float:
        run = runs[trial.suggest_int("run", 0, len(runs) - 1)]
        loss = float("nan")
        with mlflow.start_run(run_name=run.experiment.label):
            mlflow.log_params({**run.experiment.to_dict(), "repetition": run.repetition})
            for epoch, statistics in enumerate(train(run), start=1):
                mlflow.log_metrics(statistics, step=epoch)
                loss = statistics["test_loss"]
        return loss

    study = _study(folder, len(runs))
    ready.wait()
    study.optimize(objective)


def _study(folder: Path, num_runs: int):
    import optuna

    return optuna.create_study(
        study_name="quickstart",
        storage=f"sqlite:///{folder / 'optuna.db'}",
        sampler=optuna.samplers.GridSampler({"run": list(range(num_runs))}, seed=0),
        load_if_exists=True,
    )


def main() -> None:
    """Train, and print the seconds."""
    folder, every = Path(sys.argv[1]), int(sys.argv[2])
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment("quickstart")
    _study(folder, len(runs_of("quickstart", every)))
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(3)
    workers = [context.Process(target=work, args=(folder, every, ready)) for _ in range(2)]
    for worker in workers:
        worker.start()
    ready.wait(timeout=120)  # what their start takes is not that of each run
    began = time.monotonic()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    print(f"seconds {time.monotonic() - began}")


if __name__ == "__main__":
    main()
