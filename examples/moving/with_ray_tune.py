"""The study in Ray Tune: a grid with the seeds as an axis, and the last losses of each trial."""

from pathlib import Path

from boosting import train
from ray import tune


def trial(setting):
    for metrics in train(**setting):
        tune.report(metrics)


def main():
    grid = {"depth": [1, 2], "rate": [0.1, 0.3], "seed": [0, 1, 2]}
    space = {name: tune.grid_search(values) for name, values in grid.items()}
    place = tune.RunConfig(storage_path=str(Path("ray_results").resolve()))
    results = tune.Tuner(trial, param_space=space, run_config=place).fit()
    for result in results:
        print(*(result.config[name] for name in grid), result.metrics["test_loss"])


if __name__ == "__main__":
    main()
