"""The user's own `nn.Module` as a workload: its axes are the parameters of the function that builds it, beside ours.

Read `workload` first, then `description` and `building`; `training` is the core. Tasks, splits, optimizers, statistics
and columns are those of networks. No other room imports this one, see `survey.workloads.registry`.
"""

__all__ = ["building", "description", "experiment", "needs", "probe", "search_space", "training", "workload"]
