"""A user's own task: where its data are, and how they are read."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from survey.errors import TaskError
from survey.tasks.catalog import Kind
from survey.tasks.in_memory import fields_of, taken
from survey.tasks.own_split import check_parts, with_test_rows
from survey.tasks.read_table import read_table
from survey.tasks.table import MISSING, Missing, Reading, Table, name_of, row_place, table_of
from survey.text.validation import CheckedModel

_FROM_PYTHON = ("data", "in_memory")


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


_Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
_Cells = Annotated[tuple[Annotated[str, BeforeValidator(_as_text)], ...], BeforeValidator(_as_tuple)]
_Character = Annotated[str, Field(min_length=1, max_length=1)]


class UserTask(CheckedModel, frozen=True):
    """A user's own task: a file, or data in memory.

    In Python, `(X, y)` or `(frame, "target")`, optionally with the kind as third item, stands for one.

    Attributes:
        path: A CSV, TSV (both also `.gz`), Parquet or `.npz` file. An `.npz` has inputs `X` [rows, features], or with
            another name if there are only two arrays, and the target [rows].
        target: Name of the target column; in an `.npz`, key of the target array.
        kind: Classification or regression; for data in memory, guessed from the target if left out.
        columns: Names of the input columns to use, in the order of the file; None for all.
        drop: Names of input columns to leave out.
        separator: Separator of the cells of a text file; None for a comma, or a tab in TSV.
        decimal: Decimal sign of a text file.
        encoding: Encoding of a text file.
        dates: Names of columns of dates (ISO 8601) that become numbers.
        missing: What to do with missing values, see `survey.tasks.cleaning.clean`.
        missing_values: Cells that mean a missing value; they replace the default list.
        split: Name of the column that says which part each row is for: `train`, `validation` or `test`.
        test_path: A second file of the same columns with the rows for the test; those of `path` are for training.
        data: A frame or a pair of arrays, instead of `path`.
        in_memory: Whether the data came from Python; a search space written to a file then lacks them.
    """

    path: Path | None
    target: str
    kind: Kind
    columns: _Names | None = None
    drop: _Names = ()
    separator: _Character | None = None
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    dates: _Names = ()
    missing: Missing = "refuse"
    missing_values: _Cells = MISSING
    split: str | None = None
    test_path: Path | None = None
    data: Any = Field(default=None, exclude=True, repr=False)
    in_memory: bool = False

    @model_validator(mode="before")
    @classmethod
    def _take_data(cls, given: Any) -> Any:
        fields = fields_of(given) if isinstance(given, tuple) else given
        if not isinstance(fields, dict):
            return fields
        if fields.get("data") is None:
            return {"path": None, **fields} if fields.get("in_memory") is True else fields
        if isinstance(fields["data"], (str, Path)):
            raise PydanticCustomError("whole", "`data` is for data in memory; pass a file as `path`")
        if fields.get("path") is not None:
            raise PydanticCustomError("whole", "`path` and `data` are both given; expected one of them")
        data, target = taken(fields["data"], fields.get("target"))
        kind = fields.get("kind") or _guess(data.frame, target)
        return {**fields, "data": data, "target": target, "kind": kind, "path": None, "in_memory": True}

    @model_validator(mode="after")
    def _has_data(self) -> UserTask:
        if self.path is None and not self.in_memory:
            raise PydanticCustomError("whole", "expected a file as `path`")
        if self.columns is not None and self.drop:
            raise PydanticCustomError("whole", "`columns` and `drop` are both given; expected one of them")
        is_text = self.path is not None and self.path.suffix.lower() not in (".parquet", ".npz")
        if not is_text and (self.separator, self.decimal, self.encoding) != (None, ".", "utf-8"):
            raise PydanticCustomError("whole", "`separator`, `decimal` and `encoding` are for text files")
        return self

    @model_validator(mode="after")
    def _has_one_split(self) -> UserTask:
        if self.split is not None and self.test_path is not None:
            raise PydanticCustomError("whole", "`split` and `test_path` are both given; expected one of them")
        if self.test_path is not None and self.path is None:
            raise PydanticCustomError("whole", "`test_path` goes with `path`; mark rows of data in memory by `split`")
        if self.split is not None and self.path is not None and self.path.suffix.lower() == ".npz":
            raise PydanticCustomError(
                "whole", "`split` names a column, which an .npz has not; give its test rows as `test_path`"
            )
        return self

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)  # refuses codecs that are not of text
            codecs.getincrementaldecoder(encoding)
        except LookupError:
            raise PydanticCustomError(
                "encoding", "expected the name of a text encoding, such as utf-8, latin-1, cp1252 or utf-16"
            ) from None
        return encoding

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the keys that a search space in a file can set."""
        return tuple(name for name in cls.model_fields if name not in _FROM_PYTHON)

    @property
    def file(self) -> Path | None:
        """The absolute path, with `~` expanded; None for data in memory.

        Raises:
            TaskError: The home folder is unknown.
        """
        return _absolute(self.path)

    @property
    def test_file(self) -> Path | None:
        """The same of the test rows; None if they have no file of their own. Raises what `file` raises."""
        return _absolute(self.test_path)

    def below(self, folder: Path) -> UserTask:
        """Return the task with its paths resolved against a folder.

        Raises:
            TaskError: As for `file`.
        """
        return self._with_paths(lambda path: _absolute(path) if str(path).startswith("~") else folder / path)

    def without_folder(self) -> UserTask:
        """Return the task with only the names of its files, for other machines, which have them elsewhere."""
        return self._with_paths(lambda path: Path(path.name))

    def _with_paths(self, changed: Callable[[Path], Path | None]) -> UserTask:
        paths = {"path": self.path, "test_path": self.test_path}
        return self.model_copy(update={key: changed(path) for key, path in paths.items() if path is not None})

    def read(self, name: str) -> Table:
        """Read the table and clean it, see `survey.tasks.cleaning.clean`.

        Raises:
            TaskError: It cannot be read or cleaned, lacks a column, or rows of a part; or its data came from Python and
                are not here.
        """
        from survey.tasks.cleaning import clean

        reading = Reading(
            self.separator,
            self.decimal,
            self.encoding,
            self.missing_values,
            self.columns,
            self.drop,
            is_own=True,
            split=self.split,
        )
        if self.file is not None:
            table = read_table(name, self.file, self.target, reading)
            if self.test_file is not None:
                table = with_test_rows(table, read_table(name, self.test_file, self.target, reading))
        elif self.data is not None:
            where = name_of(name, "data in memory")
            chosen = reading.chosen(where, list(self.data.frame.columns), self.target)
            frame = self.data.frame[chosen]
            table = table_of(where, name, frame, self.target, row_place, reading, "data in memory")
            table = replace(table, shape=self.data.shape)
        else:
            raise TaskError(
                f"task {name!r}: its data came from Python and are not in the search space; pass them again as "
                f"tasks={{{name!r}: (X, y)}}, or save them to a file and set its `path`"
            )
        table = clean(table, self.dates, self.missing)
        check_parts(table)
        return table


def _absolute(path: Path | None) -> Path | None:
    try:
        return path.expanduser().absolute() if path is not None else None
    except RuntimeError as error:
        raise TaskError(f"{path}: {error}; give an absolute path") from None


def _guess(frame: Any, target: str) -> Kind:
    from survey.tasks.prepare import guess_kind

    Reading().chosen("data in memory", list(frame.columns), target)
    known = frame.loc[frame[target].notna(), target]
    return guess_kind(Table("data in memory", frame[[target]], known, row_place, is_own=True))
