"""The study in W&B: a sweep, whose server tells an agent each setting; offline, a loop over the grid instead."""

import itertools
import os

import wandb
from boosting import train

GRID = {"depth": [1, 2], "rate": [0.1, 0.3], "seed": [0, 1, 2]}


def run(setting=None):
    with wandb.init(project="boosting", config=setting) as run:
        for metrics in train(**run.config):
            run.log(metrics)
        print(*(run.config[name] for name in GRID), metrics["test_loss"])


def main():
    if os.environ.get("WANDB_MODE") == "offline":
        for values in itertools.product(*GRID.values()):
            run(dict(zip(GRID, values, strict=True)))
    else:
        parameters = {name: {"values": values} for name, values in GRID.items()}
        sweep = wandb.sweep({"method": "grid", "parameters": parameters}, project="boosting")
        wandb.agent(sweep, function=run)


if __name__ == "__main__":
    main()
