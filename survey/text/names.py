"""Valid names of sweeps, tasks, partitions and runs, and paths made of them.

A name becomes a column, a folder or a file, and a data set is copied to other systems. The same rules hold in search
spaces and for names in data from strangers.
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
"""Most bytes of the name of a file or folder."""

NULL = "__HIVE_DEFAULT_PARTITION__"
"""Stands for a missing value in the path of a partition."""

_RUN_ID = re.compile(r"[0-9a-f]{16}-[0-9]{4,5}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_VALUE = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.+-]*|-({_NUMBER.pattern}|inf)")
_NUMBERS = frozenset({"learning_rate", "batch_size", "label_noise", "epochs", "depth"})
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})

_OF_SYSTEMS = (
    *(".DS_Store", ".localized", ".Spotlight-V100", ".fseventsd", ".TemporaryItems", ".apdisk", "__MACOSX"),
    *("desktop.ini", "Thumbs.db", "$RECYCLE.BIN", "System Volume Information"),
    *("lost+found", ".directory", ".snapshot", ".ipynb_checkpoints"),
)
_OF_SYSTEMS_BEGIN = ("._", ".Trash", ".nfs")


def task_problem(name: str) -> str:
    """Say why a task cannot have this name, given without prefix; an empty string if it can."""
    if not name.strip() or ":" in name or "/" in name:
        return "expected a name that is not empty and has no ':' and no '/'"
    if not name.isprintable():
        return "expected characters that can be printed"
    if name == NULL:
        return "it means a missing value in the paths of the data set: choose another name"
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
    """Whether this is the id of a run: 16 hexadecimal digits of its experiment, `-`, and its repetition."""
    return isinstance(name, str) and _RUN_ID.fullmatch(name) is not None


def is_word(name: str) -> bool:
    """Whether a name has only letters, digits, _ and -, the first a letter or digit, and so is safe in a path."""
    return _WORD.fullmatch(name) is not None


def is_device(name: str) -> bool:
    """Whether Windows takes a file with this name, whatever its ending, for a device."""
    return name.partition(".")[0].lower() in _DEVICES


def folded(name: str) -> str:
    """Return the name as Windows and macOS compare it, without case and Unicode normalisation."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def clash(names: Iterable[str], kind: str) -> str:
    """Say which two different names are equal as `folded`; an empty string if none are.

    Args:
        names: The names; repeats are allowed.
        kind: What they name, such as `task`.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(folded(name), name)
        if other != name:
            return (
                f"the {kind}s {other!r} and {name!r} differ only in capitals or the encoding of accents, and would "
                f"have the same folder on Windows and macOS: give one of them another name"
            )
    return ""


def partition_folder(column: str, value: object) -> str:
    """Return the name of the folder for a value of a partition column, such as `depth=3`."""
    return f"{column}={NULL if value is None else quote(str(value), safe='')}"


@lru_cache(maxsize=4096)
def partition_problem(folder: str) -> str:
    """Say what is wrong with the name of a partition folder; an empty string if nothing."""
    column, _, text = folder.partition("=")
    value = unquote(text)
    if column == "dataset":
        return task_problem(value.removeprefix("sklearn:"))
    if text == NULL:
        return ""
    if column in _NUMBERS:
        return "" if _NUMBER.fullmatch(value) else "expected a number"
    return "" if _VALUE.fullmatch(value) else "expected a word or a number"


def check_partition(folders: Iterable[str], where: object) -> None:
    """Check the names of partition folders.

    Args:
        folders: The names.
        where: Where they are, for the message.

    Raises:
        InputError: A column cannot have such a value; the message names the folder.
    """
    for folder in folders:
        if problem := partition_problem(folder):
            raise InputError(f"{where}: has the partition {unquote(folder)!r}: {problem}")


def inside(folder: Path, *parts: str) -> Path:
    """Return the path of an entry of a folder whose name or content is untrusted.

    Args:
        folder: The folder; it may itself be a link.
        parts: Names below it.

    Raises:
        InputError: The path, with links followed, leads out of the folder.
    """
    path = folder.joinpath(*parts)
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a loop of links, or a name that no file can have
        is_inside = False
    if not is_inside:
        raise InputError(
            f"{folder}: {'/'.join(parts)!r} leads out of this folder, and is neither read nor written; replace it by a "
            "copy of its target, or remove it"
        )
    return path


def yaml_names(folder: Path) -> tuple[str, ...]:
    """Return the sorted names of the YAML files in a folder, without `.yaml`; ignore other files and invalid names."""
    files = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
    stems = (name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))
    return tuple(sorted(stem for stem in stems if is_word(stem)))


def is_of_system(name: str) -> bool:
    """Whether an operating system, a file manager or a notebook creates files or folders with this name."""
    return name in _OF_SYSTEMS or name.startswith(_OF_SYSTEMS_BEGIN)
