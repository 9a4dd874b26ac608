"""Data from Python: arrays, or a frame with the name of its target."""

from __future__ import annotations

import hashlib
from typing import Any

from survey.errors import TaskError
from survey.tasks.advice import shown

_FORMS = (
    "expected (X, y), with X [rows, features], or of more dimensions, and y [rows], or (frame, 'TARGET'), and "
    "optionally the kind as third"
)


class InMemory:
    """A table in memory: a copy, so that later changes to the original change no survey. Equal if the digests are.

    Attributes:
        frame: Inputs and target; the names of its columns are strings.
        digest: SHA-256, as hex, of names, dtypes and values.
        shape: Shape of the inputs of a row, if these are images, sequences or the like; else ().
    """

    def __init__(self, frame: Any, shape: tuple[int, ...] = ()) -> None:
        import pandas as pd

        self.frame: pd.DataFrame = frame
        self.shape = shape
        try:
            hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        except TypeError as error:
            raise TaskError(f"data in memory: expected one number or text in each cell ({error})") from None
        header = repr([(name, str(kind)) for name, kind in frame.dtypes.items()]) + (repr(shape) if shape else "")
        self.digest = hashlib.sha256(header.encode() + hashes.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InMemory) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def fields_of(given: tuple[Any, ...]) -> dict[str, Any]:
    """Turn `(X, y)` or `(frame, "target")`, each with or without a kind, into fields of a `UserTask`.

    Raises:
        TaskError: It has another number of items.
    """
    if len(given) not in (2, 3):
        raise TaskError(f"data in memory: {_FORMS}; found a tuple of {len(given)}")
    fields: dict[str, Any] = {"data": given[0] if isinstance(given[1], str) else given[:2]}
    if isinstance(given[1], str):
        fields["target"] = given[1]
    return fields | ({"kind": given[2]} if len(given) == 3 else {})


def taken(data: Any, target: str | None) -> tuple[InMemory, str]:
    """Copy a frame, or a pair of arrays; return the copy and the name of its target.

    Raises:
        TaskError: It is neither, or its shapes do not match.
    """
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        if target is None:
            raise TaskError("data in memory: a frame needs the name of its target column; give (frame, 'TARGET')")
        return InMemory(_named(data)), target
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TaskError(f"data in memory: {_FORMS}; found {type(data).__name__}")
    (x, y), shape = data, ()
    if not isinstance(x, pd.DataFrame):
        x = np.asarray(x)
        if x.ndim < 2:
            raise TaskError(f"data in memory: {_FORMS}; found X of shape {x.shape}")
        shape = x.shape[1:] if x.ndim > 2 else ()
        x = x.reshape(len(x), -1)
        x = pd.DataFrame(x, columns=[f"X[:, {column}]" for column in range(x.shape[1])])
    y = y if isinstance(y, pd.Series) else np.asarray(y)
    if y.ndim not in (1, 2) or y.shape[1:] not in ((), (1,)) or len(y) != len(x):
        raise TaskError(f"data in memory: {_FORMS}; found X of shape {x.shape} and y of shape {y.shape}")
    x = _named(x)
    target = target or ("y" if "y" not in x.columns else "target of the task")
    if target in x.columns:
        raise TaskError(f"data in memory: X has a column {shown(target)}, which is the name of the target")
    y = pd.Series(y if isinstance(y, pd.Series) else y.reshape(len(y)), name=target).reset_index(drop=True)
    return InMemory(pd.concat([x, y], axis=1), shape), target


def _named(frame: Any) -> Any:
    """A copy whose columns are named by strings and whose rows are numbered from 0."""
    return frame.set_axis([str(name) for name in frame.columns], axis=1).reset_index(drop=True).copy()
