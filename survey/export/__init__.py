"""From finished MLflow runs to the data set: `python -m survey.export --out DIR`.

Read `update` first. Each partition is one file, which is rewritten only where it has new runs or other sweep flags, and
its summaries with it (`partition`); partitions are independent of each other, so several processes or machines share
them (`mappers`). `publish` makes a data set that a stranger can use.
"""

__all__ = ["mappers", "partition", "prune", "publish", "update"]
