"""The plan: experiments x repetitions minus completed runs, as trials with their resources and costs.

Read `make_plan` first, then `plan` and `bundles`. Completed runs are read from the results; the plan keeps no state. So
resuming, extending a grid, adding repetitions and overlapping search spaces all work the same way. A workload says what
an experiment costs, `pilot` measures it, `estimate` adds it up to a `price`.
"""

__all__ = [
    "bundles",
    "division",
    "estimate",
    "gpu_sharing",
    "make_plan",
    "pilot",
    "plan",
    "price",
    "spreading",
]
