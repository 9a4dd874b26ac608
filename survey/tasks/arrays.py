"""Tables in `.npz` files. The headers are checked before anything is unpacked."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from survey.errors import TaskError
from survey.tasks.advice import listed, shown
from survey.tasks.sizes import check_memory
from survey.tasks.table import Reading, not_among

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_COPIES = 3
"""Copies of an array in memory at once: as read, as columns, and as inputs."""


def read_arrays(where: str, path: Path, target: str, reading: Reading) -> tuple[pd.DataFrame, tuple[int, ...]]:
    """Read inputs and target from an `.npz` archive as a frame.

    Returns:
        The frame, and the shape of a row's inputs if these are images, sequences or the like; else ().

    Raises:
        TaskError: An array is missing, damaged, too large for memory, of Python objects, or of the wrong shape.
    """
    if not zipfile.is_zipfile(path):
        raise TaskError(f"{where} cannot be read: it is not an .npz archive")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if target not in members:
            raise TaskError(f"{where} has no target array {not_among(target, list(members))}")
        others = [key for key in members if key != target]
        if "X" not in others and len(others) != 1:
            raise TaskError(
                f"{where}: expected the inputs as array 'X' or as the only other array; found "
                f"{listed(others) or 'none'}"
            )
        key = "X" if "X" in others else others[0]
        shapes = {name: _check_header(where, archive, members[name], name) for name in (key, target)}
        x, y = shapes[key], shapes[target]
        if len(x) < 2 or len(y) not in (1, 2) or y[1:] not in ((), (1,)) or x[0] != y[0]:
            raise TaskError(
                f"{where}: expected arrays {key} [rows, features], or of more dimensions, such as [rows, height, "
                f"width], and {target} [rows]; found shapes {x} and {y}"
            )
        if len(x) > 2 and (reading.columns is not None or reading.drop):
            raise TaskError(f"{where}: `columns` and `drop` are for tables; {key} has the shape {x}")
        flat = _read(archive, members[key]).reshape(x[0], -1)
        frame = frame_of(where, key, flat, target, _read(archive, members[target]), reading)
        return frame, (x[1:] if len(x) > 2 else ())


def frame_of(where: str, key: str, x: np.ndarray, target: str, y: np.ndarray, reading: Reading) -> pd.DataFrame:
    """Return a frame of the chosen columns from inputs [rows, features] and a target [rows] or [rows, 1]."""
    import pandas as pd

    names = [f"{key}[:, {column}]" for column in range(x.shape[1])]
    chosen = reading.chosen(where, [*names, target], target)
    frame = pd.DataFrame(x, columns=names)
    return pd.concat([frame, pd.Series(y.reshape(len(x)), name=target)], axis=1)[chosen]


def _check_header(where: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> tuple[int, ...]:
    """Return the shape of an array; check that the file holds it and that it fits into memory."""
    with archive.open(info) as file:
        shape, dtype, header_bytes = _header(file)
    if dtype.hasobject:
        raise TaskError(
            f"{where} cannot be read: array {shown(name)} holds Python objects, which can run code when they are "
            f"loaded; save it as numbers or text, such as {name}.astype(float)"
        )
    if dtype.kind not in "biufUM" or (dtype.kind == "f" and dtype.itemsize > 8):
        raise TaskError(f"{where}: array {shown(name)} is of type {dtype}; expected numbers, such as float64, or text")
    claimed, held = math.prod(shape) * dtype.itemsize, info.file_size - header_bytes
    size = max(claimed, held)
    check_memory(_COPIES * size, where, f"array {shown(name)} claims the shape {shape} and {size:,} bytes")
    if claimed != held:
        raise TaskError(
            f"{where} cannot be read: array {shown(name)} claims the shape {shape} and {claimed:,} bytes, but "
            f"the file holds {held:,}; it is damaged"
        )
    return shape


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], Any, int]:
    """Read the header of an array: shape, dtype and length of the header in bytes."""
    from numpy.lib import format as npy

    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in readers:
        raise ValueError(f"version {version} of the .npy format is for structured arrays; expected plain arrays")
    shape, _, dtype = readers[version](file)
    return shape, dtype, file.tell()


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    from numpy.lib import format as npy

    with archive.open(info) as file:
        return npy.read_array(file, allow_pickle=False)
