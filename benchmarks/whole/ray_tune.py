"""The survey as plain Ray Tune runs it: a trial for each run, and its own callback that logs to MLflow.

python -m benchmarks.whole.ray_tune FOLDER EVERY
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback

from benchmarks.whole.plain import runs_of, train


def main() -> None:
    """Train, and print the seconds from the first trial's start to the end."""
    folder, every = Path(sys.argv[1]), int(sys.argv[2])
    runs = runs_of("quickstart", every)

    def trainable(config: dict) -> None:
        import torch

        torch.set_num_threads(1)
        for statistics in train(runs[config["run"]]):
            tune.report(statistics)

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    callback = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}", experiment_name="quickstart")
    began = time.monotonic()
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"run": tune.grid_search(list(range(len(runs))))},
        run_config=tune.RunConfig(storage_path=str(folder / "ray"), callbacks=[callback], verbose=0),
    ).fit()
    assert not results.errors, results.errors[0]
    print(f"seconds {time.monotonic() - began}")


if __name__ == "__main__":
    main()
