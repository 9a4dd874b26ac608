"""The training core of modules: all repetitions of an experiment, as one where that agrees, else one by one.

Read `trainer` first, then `runs`, `forward` and `fusing`. Rows, orders, noise, output layers, statistics and optimizers
are those of networks (`survey.networks.training`). Nothing here imports Ray, MLflow, pandas or Arrow.
"""
