"""The study in SEML: one point of the grid; `seml boosting add with_seml.yml start` runs all of them on Slurm."""

from boosting import train
from seml import Experiment

experiment = Experiment()


@experiment.automain
def run(depth: int, rate: float, seed: int, _run):
    for metrics in train(depth=depth, rate=rate, seed=seed):
        for name, value in metrics.items():
            _run.log_scalar(name, value)
    print(depth, rate, seed, metrics["test_loss"])
    return {"test_loss": metrics["test_loss"]}
