"""Tables in Parquet files. The footer is checked before anything is unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import TaskError
from survey.tasks.advice import shown
from survey.tasks.sizes import check_memory
from survey.tasks.table import Reading

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

_CELL_BYTES = 24
"""Memory of a cell, in bytes: in Arrow, in pandas, and as an input."""


def read_parquet(where: str, path: Path, target: str, reading: Reading) -> pd.DataFrame:
    """Read the chosen columns of a file; an index that pandas saved with them is left out.

    Raises:
        TaskError: The file is damaged or too large for memory, or a column is missing or holds lists or structs.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        texts = [field.name for field in schema if _is_text(field.type)]
        chosen = reading.chosen(where, _columns(schema), target)
        for name in chosen:
            kind = schema.field(name).type
            if pa.types.is_nested(kind):
                raise TaskError(
                    f"{where}: column {shown(name)} holds values of type {shown(kind)}; expected one number or text in "
                    "each row; convert it, or list it under `drop`"
                )
        _check_claims(where, file.metadata, chosen)
    # Texts as a dictionary: a small file can repeat a long text a million times.
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        groups, held = [], 0
        for number in range(file.num_row_groups):
            groups.append(file.read_row_group(number, columns=chosen))
            held += groups[-1].nbytes
            check_memory(held, where, f"{number + 1:,} of its {file.num_row_groups:,} row groups hold {held:,} bytes")
        table = pa.concat_tables(groups) if groups else schema.empty_table().select(chosen)
    if len(table) != file.metadata.num_rows:
        raise TaskError(
            f"{where} cannot be read: its footer claims {file.metadata.num_rows:,} rows, but it holds {len(table):,}; "
            "the file is damaged"
        )
    # Integers with nulls stay integers: float64 cannot represent them all.
    return table.unify_dictionaries().to_pandas(ignore_metadata=True, integer_object_nulls=True)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _columns(schema: pa.Schema) -> list[str]:
    """Names of the columns, without those of a pandas index."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in schema.names if name not in index]


def _check_claims(where: str, metadata: pq.FileMetaData, chosen: list[str]) -> None:
    """Check the memory that the footer says the columns take, before anything is read."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    unpacked = sum(column.total_uncompressed_size for column in columns if column.path_in_schema in chosen)
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    check_memory(
        unpacked + _CELL_BYTES * rows * len(chosen),
        where,
        f"its footer claims {rows:,} rows of {len(chosen):,} columns, and {unpacked:,} bytes unpacked",
    )
