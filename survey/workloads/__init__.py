"""What is surveyed: the interface of workloads, their experiments and identity, metrics, columns and cost.

Read `workload` first, then `experiment`. An `experiment_id` is permanent: docs/identity.md says what that requires.
"""

__all__ = ["columns", "cost", "experiment", "limits", "metrics", "registry", "workload"]
