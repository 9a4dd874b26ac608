"""The plan: experiments x repetitions minus completed runs, as trials with their resources and costs.

Read `make_plan` first, then `plan` and `bundles`. Completed runs are read from the results; the plan keeps no state. So
resuming, extending a grid, adding repetitions and overlapping sweeps all work the same way. `cost_model` predicts the
cost of a trial, `pilot` measures it, `estimate` adds it up.
"""

__all__ = [
    "bundles",
    "cost_model",
    "estimate",
    "estimate_table",
    "fitting",
    "gpu_sharing",
    "make_plan",
    "pilot",
    "plan",
]
