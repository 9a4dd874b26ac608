"""Tasks: the tables that networks are trained on, found by name and prepared as BUTTER prepared them.

Read `loading` first: how a name becomes a prepared task. `own` is what a user declares, `prepare` makes inputs and
outputs of a table, and `prepared` is what the rest of the survey sees.
"""

__all__ = ["catalog", "loading", "names", "own", "preparation", "prepare", "prepared", "read_table"]
