"""What is trained: an experiment and its identity, the widths of its layers, and what is recorded of it.

Read `experiment` first. An `experiment_id` is permanent: docs/identity.md says what that requires.
"""

__all__ = ["experiment", "limits", "metrics", "topology"]
