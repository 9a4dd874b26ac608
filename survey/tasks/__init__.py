"""Tasks: the tables that networks are trained on, found by name and prepared as BUTTER prepared them.

Read `loading` first: it turns a name into a prepared task. `own` is what a user declares, `prepare` turns a table into
inputs and outputs, and `prepared` is what the rest of the survey sees.
"""

__all__ = ["catalog", "loading", "names", "own", "parts", "preparation", "prepare", "prepared", "read_table"]
