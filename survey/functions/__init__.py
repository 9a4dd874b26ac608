"""The user's own training function as a workload: its axes are its parameters, its metrics what it yields.

Read `workload` first, then `description` and `trainer`. The function itself runs in processes of its own: `child` is
their program, `server` starts and talks to them. No other room imports this one, see `survey.workloads.registry`.
"""

__all__ = [
    "description",
    "experiment",
    "grid",
    "kinds",
    "search_space",
    "server",
    "signature",
    "source",
    "trainer",
    "workload",
]
