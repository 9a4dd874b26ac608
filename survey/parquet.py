"""How tables of curves are written as Parquet, atomically."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write_table(table: pa.Table, file: Path) -> None:
    """Write a table beside its target and rename it, so that a reader finds the old file or the new one, whole.

    Floats of list columns are split by byte, which compresses curves best; all other columns have dictionaries.
    """
    is_curve = {
        field.name: pa.types.is_list(field.type) and field.type.value_type == pa.float32() for field in table.schema
    }
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            use_byte_stream_split=[f"{name}.list.element" for name, yes in is_curve.items() if yes],  # pyright: ignore[reportArgumentType]
            use_dictionary=[name for name, yes in is_curve.items() if not yes],  # pyright: ignore[reportArgumentType]
        )
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
