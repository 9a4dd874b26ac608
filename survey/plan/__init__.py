"""The plan: experiments x repetitions, less what is done, as trials with their resources and their cost.

Read `make_plan` first, then `plan` and `bundles`. What is done is asked of the result store; the plan holds no state of
its own. So resuming, extending a grid, adding repetitions and overlapping sweeps are one act. `cost_model` foretells
what a trial takes, `pilot` measures it, `estimate` sums it up.
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
