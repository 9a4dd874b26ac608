"""What sweeps, tasks, partitions and runs may be called, and paths that are made of such names.

A name becomes a column, a folder or a file, and a data set is copied to other systems. The same rules hold for a search
space and wherever a name is read from data, which somebody else may have made.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

from survey.errors import InputError

MOST_BYTES = 255
"""Bytes that the name of a file or folder may have."""

NULL = "__HIVE_DEFAULT_PARTITION__"
"""Stands for a missing value in the path of a partition."""

_RUN_ID = re.compile(r"[0-9a-f]{16}-[0-9]{4,5}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NUMBERS = frozenset({"learning_rate", "batch_size", "label_noise", "epochs", "depth"})
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})

_OF_SYSTEMS = (
    *(".DS_Store", ".localized", ".Spotlight-V100", ".fseventsd", ".TemporaryItems", ".apdisk", "__MACOSX"),
    *("desktop.ini", "Thumbs.db", "$RECYCLE.BIN", "System Volume Information"),
    *("lost+found", ".directory", ".snapshot", ".ipynb_checkpoints"),
)
_OF_SYSTEMS_BEGIN = ("._", ".Trash", ".nfs")


def task_problem(name: str) -> str:
    """Say why no task can be called so, without the prefix of where it comes from; an empty string if one can."""
    if not name.strip() or ":" in name or "/" in name:
        return "expected a name that is not empty and has no ':' and no '/'"
    if not name.isprintable():
        return "expected letters and signs that can be printed"
    if name == NULL:
        return "this stands for a missing value in the paths of the data set: choose another name"
    if name.endswith("."):
        return "on Windows a dot at the end is dropped: choose another name"
    num_bytes = len(partition_folder("dataset", name))
    if num_bytes > MOST_BYTES:
        return (
            f"the folder of its data, dataset=NAME in percent-encoding, would have a name of {num_bytes} bytes, and "
            f"file systems take {MOST_BYTES}: choose a shorter name"
        )
    return ""


def is_run_id(name: object) -> bool:
    """Whether this is the name of a run: its experiment and its repetition, as `survey.experiment.Run` has them."""
    return isinstance(name, str) and _RUN_ID.fullmatch(name) is not None


def is_word(name: str) -> bool:
    """Whether a name has letters, digits, _ and - alone, the first a letter or digit: it leads nowhere else."""
    return _WORD.fullmatch(name) is not None


def is_device(name: str) -> bool:
    """Whether Windows takes a file of this name, with any ending, for a device."""
    return name.partition(".")[0].lower() in _DEVICES


def folded(name: str) -> str:
    """What is left of a name where neither capitals nor the encoding of accents count, as on Windows and macOS."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def clash(names: Iterable[str], kind: str) -> str:
    """Say which two of some names are one as `folded`; an empty string if none are.

    Args:
        names: The names; one may come again.
        kind: What they are names of, such as `task`.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(folded(name), name)
        if other != name:
            return (
                f"the {kind}s {other!r} and {name!r} differ in capitals or the encoding of accents alone, and would "
                f"have one folder on Windows and macOS: give one of them another name"
            )
    return ""


def partition_folder(column: str, value: object) -> str:
    """The folder of a partition for a value of one of its columns, such as `depth=3`."""
    return f"{column}={NULL if value is None else quote(str(value), safe='')}"


@lru_cache(maxsize=4096)
def partition_problem(folder: str) -> str:
    """Say what is wrong with the name of a folder of a partition, as `partition_folder` gives it; empty if nothing."""
    column, _, text = folder.partition("=")
    value = unquote(text)
    if column == "dataset":
        return task_problem(value.removeprefix("sklearn:"))
    if text == NULL:
        return ""
    if column in _NUMBERS:
        return "" if _NUMBER.fullmatch(value) else "expected a number"
    return "" if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", value) else "expected a word"


def check_partition(folders: Iterable[str], where: object) -> None:
    """Check the folders of a partition that lies somewhere.

    Raises:
        InputError: The value of one cannot be what its column holds; the message names it.
    """
    for folder in folders:
        if problem := partition_problem(folder):
            raise InputError(f"{where}: holds the partition {unquote(folder)!r}: {problem}")


def inside(folder: Path, *parts: str) -> Path:
    """The path of something in a folder, where its name or the folder's content comes from data.

    Args:
        folder: The folder; it may be a link itself.
        parts: Names in it.

    Raises:
        InputError: The path, with all links followed, leads out of the folder.
    """
    path = folder.joinpath(*parts)
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a loop of links, or a name that no file can have
        is_inside = False
    if not is_inside:
        raise InputError(
            f"{folder}: {'/'.join(parts)!r} leads out of this folder, and is neither read nor written; put a copy of "
            f"what it stands for in its place, or remove it"
        )
    return path


def yaml_names(folder: Path) -> tuple[str, ...]:
    """Names of the search spaces, or lists, in a folder, without `.yaml`; whatever else lies there is left alone."""
    files = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
    stems = (name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))
    return tuple(sorted(stem for stem in stems if is_word(stem)))


def is_of_system(name: str) -> bool:
    """Whether a system, a file manager or a notebook puts a file or folder of this name into people's folders."""
    return name in _OF_SYSTEMS or name.startswith(_OF_SYSTEMS_BEGIN)
