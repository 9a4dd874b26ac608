"""The Parquet data set: its columns, folders, files and content.

Read `schema` first, then `layout` and `partition`. `history` makes the rows of a trial, `summary` those of an
experiment; `completed_runs` says which runs are done; `combine` makes one data set of several.
"""

__all__ = [
    "columns_page",
    "combine",
    "completed_runs",
    "experiments_table",
    "history",
    "layout",
    "location",
    "partition",
    "reading",
    "schema",
    "summary",
    "sweep_names",
    "table_writer",
]
