"""Fully connected networks, the first workload: BUTTER's hyperparameters, layer widths, statistics, columns and cost.

Read `workload` first, then `experiment`; `training` is the core. No other room imports this one: they know workloads by
their interface (`survey.workloads.workload`), and find this one by its name.
"""

__all__ = [
    "block",
    "columns",
    "compiled",
    "cores",
    "cost",
    "data",
    "description",
    "experiment",
    "layers",
    "metrics",
    "needs",
    "rows",
    "search_space",
    "sizes",
    "splits",
    "task_space",
    "topology",
    "training",
    "workload",
]
