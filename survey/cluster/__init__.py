"""Ray: the cluster that a launch starts or joins, the check of its nodes, and the watch over its head.

Read `connection` first.
"""

__all__ = ["connection", "export_mapper", "head_watch"]
