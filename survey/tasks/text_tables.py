"""Tables in text files, CSV and TSV: checked in bounded memory, then read by pandas."""

from __future__ import annotations

import codecs
import csv
import gzip
import sys
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from survey.errors import TaskError
from survey.tasks.advice import shown
from survey.tasks.sizes import check_memory
from survey.tasks.table import Reading

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1 << 20

_CELL_BYTES = 24
"""Bytes that pandas takes to read a cell, besides its text: measured on cells of one to eight characters."""

_SEPARATORS = (";", "\t", "|", ",")

_OTHER_FORMATS = {
    b"PK\x03\x04": "is an Excel workbook or another zip archive; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook; save the table as CSV",
    b"PAR1": "is a Parquet file; give it the ending .parquet",
    b"\x93NUMPY": "is a NumPy array; save inputs and target with numpy.savez as .npz",
    b"\x1f\x8b": "is compressed with gzip; give it the ending .csv.gz or .tsv.gz",
    b"BZh": "is compressed with bzip2; unpack it",
    b"\xfd7zXZ": "is compressed with xz; unpack it",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard; unpack it",
}

_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(
    where: str, path: Path, target: str, reading: Reading, separator: str
) -> tuple[pd.DataFrame, Callable[[int], str]]:
    """Read the chosen columns of a text file; also return a function that names the line of a row, counted from 0.

    Raises:
        TaskError: The file is too large for memory, of another format or encoding, has a row with too many cells, or
            lacks a column.
    """
    _check_content(where, path, reading.encoding, separator)
    with _open_text(path, reading.encoding) as file:
        line, header = next(_records(file, separator), (0, []))
    if not header:
        raise TaskError(f"{where} cannot be read: it has no header, only blank lines")
    _refuse_other_separator(where, header, target, separator)
    names = [name or f"Unnamed: {place}" for place, name in enumerate(header)]  # as pandas names them
    chosen = reading.chosen(where, names, target)
    if reading.is_own:
        _refuse_unnamed(where, line, header, names, chosen, reading)
    frame = _read_frame(where, path, reading, separator, names)
    return frame[chosen], lambda row: f"line {_line_of(path, reading.encoding, separator, row)}"


def _check_content(where: str, path: Path, encoding: str, separator: str) -> None:
    """Check that the text can be decoded, fits into memory and has no NUL, at which some readers end."""
    packed = path.stat().st_size
    decoder = codecs.getincrementaldecoder(encoding)()
    size, cells, line = 0, 0, 1
    with _open_bytes(path) as file:
        while chunk := file.read(_CHUNK):
            if size == 0:
                _refuse_other_format(where, chunk, encoding)
            text = _decoded(where, decoder, chunk, line, encoding)
            size += len(chunk)
            cells += text.count(separator) + max(text.count("\n"), text.count("\r"))
            unpacked = f" unpack to {size:,} or more" if _is_packed(path) else ""
            what = f"its {packed:,} bytes{unpacked} have {cells:,} cells or more"
            check_memory(size + _CELL_BYTES * cells, where, what)
            if "\0" in text:
                line += text.count("\n", 0, text.index("\0"))
                raise TaskError(
                    f"{where}, line {line}: found a NUL character; the file is damaged, or not in {encoding}: set "
                    "`encoding`, such as `encoding: utf-16`"
                )
            line += text.count("\n")
        _decoded(where, decoder, b"", line, encoding, final=True)


def _decoded(where: str, decoder: Any, chunk: bytes, line: int, encoding: str, *, final: bool = False) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        line += error.object.count(b"\n", 0, error.start)
        byte = error.object[error.start : error.start + 1].hex()
        raise TaskError(
            f"{where}, line {line}: found the byte 0x{byte}, which is not {encoding}; set `encoding` to what the "
            "file is in, such as `encoding: latin-1` or `cp1252`"
        ) from None
    except UnicodeError as error:
        raise TaskError(f"{where}, line {line}: is not in {encoding} ({error}); set `encoding`") from None


def _refuse_other_format(where: str, begin: bytes, encoding: str) -> None:
    for magic, what in _OTHER_FORMATS.items():
        if begin.startswith(magic):
            raise TaskError(f"{where} {what}")
    if begin.startswith(_BYTE_ORDER_MARKS) and codecs.lookup(encoding).name == "utf-8":
        raise TaskError(f"{where} is encoded in UTF-16; set `encoding: utf-16`")


def _refuse_other_separator(where: str, header: list[str], target: str, separator: str) -> None:
    """Refuse a file with another separator: it has one column, or no column is the target."""
    line = separator.join(header)
    for other in _SEPARATORS:
        names = [name.strip(" \"'") for name in line.split(other)]
        if other != separator and target not in header and len(names) > 1 and (target in names or len(header) == 1):
            raise TaskError(
                f"{where}: its header {shown(line)} has no column {shown(target)} if cells are separated by "
                f"{separator!r}; set `separator: {_in_yaml(other)}`"
            )


def _in_yaml(separator: str) -> str:
    return r'"\t"' if separator == "\t" else f"'{separator}'"


def _refuse_unnamed(
    where: str, line: int, header: list[str], names: list[str], chosen: list[str], reading: Reading
) -> None:
    for place, (name, new) in enumerate(zip(header, names, strict=True)):
        if not name and new in chosen and new not in (reading.columns or ()):
            raise TaskError(
                f"{where}, line {line}: column {place + 1} has no name, like an index saved with the table; leave it "
                f"out with `drop: ['{new}']`, or name it in the file"
            )


def _read_frame(where: str, path: Path, reading: Reading, separator: str, names: list[str]) -> pd.DataFrame:
    import pandas as pd

    def read(**options: Any) -> pd.DataFrame:
        return pd.read_csv(
            path,
            sep=separator,
            header=0,
            names=names,
            index_col=False,
            decimal=reading.decimal,
            encoding=reading.encoding,
            keep_default_na=False,
            na_values=list(reading.missing_values),
            low_memory=False,
            **_exact_numbers(),
            **options,
        )

    with warnings.catch_warnings():
        # Without an index column, pandas cuts rows longer than the header and only warns.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return _with_large_numbers(read(), read, reading.decimal)
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            raise TaskError(_structure(where, path, reading.encoding, separator, len(names), str(error))) from error


def _with_large_numbers(frame: pd.DataFrame, read: Callable[..., pd.DataFrame], decimal: str) -> pd.DataFrame:
    """Replace columns of float64 by whole numbers or decimals where float64 cannot represent them, such as long ids."""
    import pandas as pd

    from survey.tasks.values import LARGEST_EXACT

    floats = {str(name): column.abs() for name, column in frame.items() if column.dtype.kind == "f"}
    large = [name for name, sizes in floats.items() if LARGEST_EXACT <= sizes.max() < float("inf")]
    if not large:
        return frame
    texts = read(dtype=dict.fromkeys(large, str))
    for name in large:
        plain = texts[name].str.strip().str.replace(decimal, ".", regex=False)
        is_whole = plain.dropna().str.fullmatch(r"[+-]?\d+").all()
        number = int if is_whole else Decimal
        cells = [number(text) if isinstance(text, str) else None for text in plain]
        exact = pd.Series(cells, plain.index, dtype=object)
        if is_whole or exact.nunique() > frame[name].nunique():
            frame = frame.assign(**{name: exact})
    return frame


def _exact_numbers() -> dict[str, Any]:
    """Options that make pandas round every number correctly, so that all versions give the same digest."""
    import pandas as pd

    version = tuple(int(part) for part in pd.__version__.split(".")[:2])
    # The default since 3.1, which deprecates the option.
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _structure(where: str, path: Path, encoding: str, separator: str, columns: int, error: str) -> str:
    """Say where the rows of a file do not fit its header."""
    line = 1
    with _open_text(path, encoding) as file:
        for line, record in _records(file, separator):
            if len(record) > columns:
                return (
                    f"{where} cannot be read: line {line} has more cells than its header, {len(record)} rather than "
                    f"{columns}; give each column a name, put quotes around cells that contain {separator!r}, or set "
                    "`separator`"
                )
    if "EOF inside string" in error:
        return f"{where} cannot be read: line {line} has a quote that is never closed; close or remove it"
    return f"{where} cannot be read: {' '.join(error.split())}; repair or replace the file"


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _open_bytes(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path, "rb") if _is_packed(path) else path.open("rb")


def _open_text(path: Path, encoding: str) -> IO[str]:
    # utf-8-sig: spreadsheets begin a file with a byte order mark.
    encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    if _is_packed(path):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _records(file: IO[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line of each record, counted from 1, and its cells; skip blank lines, as pandas does."""
    csv.field_size_limit(sys.maxsize)  # the default is 131,072 characters; pandas has no limit
    reader = csv.reader(file, delimiter=separator)
    line = 1
    for record in reader:
        if len(record) > 1 or "".join(record).strip():
            yield line, record
        line = reader.line_num + 1


def _line_of(path: Path, encoding: str, separator: str, row: int) -> int:
    with _open_text(path, encoding) as file:
        return next(line for number, (line, _) in enumerate(_records(file, separator)) if number == row + 1)
