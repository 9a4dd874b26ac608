"""From the name of a task to its prepared data, or to the description that a plan needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from survey.errors import TaskError
from survey.tasks import sources
from survey.tasks.catalog import BUNDLED, LIKELY_INPUTS, PIXEL_MAXIMUM, PUBLISHED, Kind
from survey.tasks.names import canonical_name, check_name, check_user_names, is_pmlb_name
from survey.tasks.own import UserTask
from survey.tasks.parts import PartSizes
from survey.tasks.prepared import PreparedTask
from survey.tasks.read_table import read_table

_NONE: Mapping[str, UserTask] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TaskDescription:
    """What a plan needs to know about a task, without its data.

    Attributes:
        name: Canonical name.
        kind: Classification or regression.
        rows: Rows of the whole data set.
        num_inputs: Numbers in the prepared inputs of a row.
        num_outputs: Columns of the prepared targets.
        guessed: Whether the kind was guessed from the target, as for a table of PMLB that BUTTER does not use.
        inputs_guessed: Whether the number of inputs was guessed, because the data are not on this machine.
        parts: Rows of each part, if the task has a split of its own.
        input_shape: Shape of the inputs of a row, if these are images, sequences or the like; () for a table.
    """

    name: str
    kind: Kind
    rows: int
    num_inputs: int
    num_outputs: int
    guessed: bool
    inputs_guessed: bool = False
    parts: PartSizes | None = None
    input_shape: tuple[int, ...] = ()


def load(name: str, user_tasks: Mapping[str, UserTask] = _NONE) -> PreparedTask:
    """Return the prepared data of a task, from memory if this process has read the same file before.

    Results call `pmlb:NAME` just NAME, so such a name is taken for a table of PMLB if its file is on this machine.

    Args:
        name: As for `check_name`.
        user_tasks: The user's own tasks, by name.

    Raises:
        TaskError: The name is unknown, or its table cannot be found, fetched, read or prepared.
    """
    _check(name, user_tasks)
    bare = canonical_name(name)
    if bare in BUNDLED:
        return _load(bare, None)
    own = user_tasks.get(bare)
    if own is not None:
        return _load(bare, own.file, (_version(own.file), _version(own.test_file)), own)
    path = sources.obtain_pmlb(bare)
    return _load(bare, path, (_version(path),))


def describe(name: str, user_tasks: Mapping[str, UserTask] = _NONE, *, may_guess: bool = False) -> TaskDescription:
    """Describe a task: from the catalog if possible, else from the data.

    Args:
        name: As for `check_name`.
        user_tasks: The user's own tasks, by name.
        may_guess: Guess the number of inputs of a published task that the catalog lacks, rather than fetch the data.

    Raises:
        TaskError: As for `load`; for a task that the catalog knows in full, only for an invalid name.
    """
    _check(name, user_tasks)
    bare = canonical_name(name)
    known = PUBLISHED.get(bare) or BUNDLED.get(bare)
    if known is not None and known.num_inputs is not None:
        return TaskDescription(bare, known.kind, known.rows, known.num_inputs, known.num_outputs, guessed=False)
    if may_guess and known is not None and not sources.is_at_hand(bare):
        inputs = LIKELY_INPUTS[bare]
        return TaskDescription(
            bare, known.kind, known.rows, inputs, known.num_outputs, guessed=False, inputs_guessed=True
        )
    task = load(name, user_tasks)
    guessed = known is None and bare not in user_tasks
    shape = task.num_rows, task.num_inputs, task.num_outputs
    input_shape = task.input_shape if len(task.input_shape) > 1 else ()
    return TaskDescription(bare, task.kind, *shape, guessed, parts=task.part_sizes, input_shape=input_shape)


def fetch(name: str) -> Path | None:
    """Fetch the table of a public task into the cache, unless it is already on this machine.

    Returns:
        The file, or None for a set that comes with scikit-learn.

    Raises:
        TaskError: The name is unknown, or the table cannot be fetched.
    """
    _check(name, _NONE)
    bare = canonical_name(name)
    return None if bare in BUNDLED else sources.obtain_pmlb(bare)


def _check(name: str, user_tasks: Mapping[str, UserTask]) -> None:
    is_known = name in PUBLISHED or name in user_tasks
    if not is_known and is_pmlb_name(name) and sources.is_at_hand(name):
        check_user_names(user_tasks)
    else:
        check_name(name, user_tasks)


_Version = tuple[int, int] | None


def _version(path: Path | None) -> _Version:
    """Return time of modification (ns) and size (bytes), so that a changed file is read again."""
    try:
        status = path.stat() if path else None
    except (OSError, ValueError):
        return None
    if status is None:
        return None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=16)
def _load(
    name: str, path: Path | None, versions: tuple[_Version, ...] = (), own: UserTask | None = None
) -> PreparedTask:
    """Read and prepare; `versions` of the files are only part of the key."""
    # Not above: it imports NumPy, which a plan that reads no data does without.
    from survey.tasks.prepare import guess_kind, prepare

    if own is not None:
        return prepare(own.read(name), own.kind)
    if path is None:
        return prepare(sources.read_bundled(name), BUNDLED[name].kind, PIXEL_MAXIMUM.get(name))
    table = read_table(name, path, sources.PMLB_TARGET)
    if name not in PUBLISHED:
        return prepare(table, guess_kind(table))
    task = prepare(table, PUBLISHED[name].kind, PIXEL_MAXIMUM.get(name))
    _check_stand_in(task, path)
    return task


def _check_stand_in(task: PreparedTask, path: Path) -> None:
    """Refuse a stand-in with other columns: plans use the published ones, so its networks would not fit."""
    known = PUBLISHED[task.name]
    expected = (known.num_inputs or task.num_inputs, known.num_outputs)
    if (task.num_inputs, task.num_outputs) == expected or sources.sha256(path) == known.sha256:
        return
    raise TaskError(
        f"task {task.name!r}: {path} prepares to {task.num_inputs} inputs and {task.num_outputs} outputs, "
        f"the published table to {expected[0]} and {expected[1]}: it is another table; remove it from SURVEY_PMLB_DIR, "
        "so that the published one is fetched, or define it under `tasks` with a name of its own"
    )
