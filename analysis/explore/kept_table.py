"""A table made of the files of another one, kept in one file: after a change only files that changed are read again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from analysis.reading.parts import Part, Rows, parts_of, read_parts
from survey.system.files import replacing

_PARTS, _RECIPE, PART = b"survey.parts", b"survey.recipe", "part"
"""Keys in the metadata of the file, and the column with the number of the file that a row is of."""

_JOINED, _BYTES = 200, 50_000_000
"""Most files that are read at once, and most bytes that they may have together: their curves are in memory then."""

_Parts = TypeAdapter(list[tuple[str, int, int, int]])
Condense = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class Source:
    """What a kept table is made of.

    Attributes:
        dataset: Folder of the data set.
        table: Name of the table.
        columns: Columns that are read of it.
        condense: Makes the rows to keep of those of a file.
        schema: Their schema.
        recipe: Says all that they depend on but the files, so that a table made in another way is not taken for this.
    """

    dataset: Path
    table: str
    columns: tuple[str, ...]
    condense: Condense
    schema: pa.Schema
    recipe: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows of all files, with the number of the file in the column `part`.

    Attributes:
        rows: The rows, in the order of the files.
        parts: The files.
        num_read: How many of them were read now; the rows of the others were kept.
    """

    rows: pa.Table
    parts: list[Part]
    num_read: int


def bring_up_to_date(source: Source, file: Path | None) -> Kept:
    """Return the table, and keep it.

    Args:
        source: What it is made of.
        file: Where it is kept; what is there is used as far as it is still true. None to keep nothing.

    Raises:
        InputError: The data set lacks the table.
        ExportError: A file of it is damaged.
    """
    parts, found = parts_of(source.dataset, source.table), _found(file, source) if file else None
    if found and found.parts == parts:
        return Kept(found.rows, parts, 0)
    earlier = found.by_part() if found else {}
    changed = [part for part in parts if part not in earlier]
    fresh = dict(zip(changed, _condensed(source, changed), strict=True))
    tables = [earlier[part] if part in earlier else fresh[part] for part in parts]
    rows = _numbered(tables, source.schema)
    if file:
        _write(file, rows, parts, [len(table) for table in tables], source.recipe)
    return Kept(rows, parts, len(changed))


def _condensed(source: Source, parts: Sequence[Part]) -> Iterator[pa.Table]:
    """The rows to keep of each file."""
    for some in _together(parts):
        read = read_parts(source.dataset, source.table, some, source.columns)
        yield from Rows(source.condense(read.table).cast(source.schema), read.counts).by_file()


def _together(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The files that are read at once."""
    some: list[Part] = []
    for part in parts:
        if some and (len(some) == _JOINED or sum(each.size for each in some) + part.size > _BYTES):
            yield some
            some = []
        some.append(part)
    if some:
        yield some


def _numbered(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    joined: list[pa.Table] = [schema.empty_table()]
    for start in range(0, len(tables), _JOINED):
        joined.append(pa.concat_tables(tables[start : start + _JOINED]).combine_chunks())
    numbers = np.repeat(np.arange(len(tables), dtype=np.uint32), [len(table) for table in tables])
    return pa.concat_tables(joined).combine_chunks().append_column(PART, pa.array(numbers))


@dataclass(frozen=True, slots=True)
class _Found:
    """What an earlier call has kept: its rows, and of each file how many they are."""

    rows: pa.Table
    parts: list[Part]
    counts: list[int]

    def by_part(self) -> dict[Part, pa.Table]:
        tables = Rows(self.rows.drop_columns([PART]), self.counts).by_file()
        return dict(zip(self.parts, tables, strict=True))


def _found(file: Path, source: Source) -> _Found | None:
    """What is kept; None where there is no file that is whole and made in this way."""
    try:
        with pa.memory_map(str(file)) as opened, pa.ipc.open_file(opened) as reader:
            told = reader.schema.metadata or {}
            if told.get(_RECIPE) != source.recipe.encode():
                return None
            rows, listed = reader.read_all().replace_schema_metadata(None), _Parts.validate_json(told[_PARTS])
            rows.validate(full=True)  # as it may come from strangers, with the output
    except (OSError, pa.ArrowException, KeyError, ValidationError):
        return None
    parts = [Part(path, size, modified_ns) for path, size, modified_ns, _ in listed]
    found = _Found(rows, parts, [count for _, _, _, count in listed])
    is_whole = sum(found.counts) == len(rows) and rows.drop_columns([PART]).schema.equals(source.schema)
    return found if is_whole else None


def _write(file: Path, rows: pa.Table, parts: Sequence[Part], counts: Sequence[int], recipe: str) -> None:
    """Keep the rows; where nothing can be written, they are read again the next time.

    The file may be on a disk that is full or that is not ours, and nobody misses it.
    """
    listed = json.dumps([[*astuple(part), count] for part, count in zip(parts, counts, strict=True)])
    told = rows.replace_schema_metadata({_PARTS: listed, _RECIPE: recipe})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with (
            replacing(file, lasting=False) as temporary,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, told.schema) as writer,
        ):
            writer.write_table(told)
    except OSError:
        return
