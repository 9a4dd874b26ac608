"""Reading rows of a few experiments without opening the files of all others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.reading.filters import Filter
from analysis.reading.tables import SUMMARY, read, schema_of
from survey.dataset.schema import columns_in


def read_chosen(
    dataset: str | Path, experiments: pd.DataFrame, columns: Sequence[str], table: str = SUMMARY
) -> pd.DataFrame:
    """Read the rows of chosen experiments.

    Args:
        dataset: Folder of the data set.
        experiments: Rows with `experiment_id`; columns in the paths let fewer files be opened.
        columns: Columns to read; those that the table lacks are left out.
        table: Name of the table.

    Returns:
        Rows as `analysis.read` returns them.

    Raises:
        InputError: The folder is not a data set, or has no such table.
        ExportError: A file is damaged.
    """
    schema = schema_of(dataset, table)
    filters: list[Filter] = [
        (name, "in", sorted(experiments[name].unique().tolist()))
        for name in columns_in(schema.metadata, dataset).partition
        if name in experiments and experiments[name].notna().all()
    ]
    filters.append(("experiment_id", "in", experiments["experiment_id"].tolist()))
    return read(dataset, table=table, filters=filters, columns=[name for name in columns if name in schema.names])
