"""From finished MLflow runs to the data set: `survey export FOLDER`.

Read `update` first. Each partition is one file, which is rewritten, with its summaries, only if it has new runs or
other sweep flags (`partition`). Partitions are independent, so several processes or machines share them (`mappers`).
`publish` makes a data set for others to use.
"""

__all__ = ["mappers", "partition", "prune", "publish", "update"]
