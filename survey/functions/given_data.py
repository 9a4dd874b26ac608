"""What a function gets as `data`: the rows of its run, as NumPy arrays.

It is made in the process of a call, and so needs the standard library and NumPy alone.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Rows(NamedTuple):
    """Some rows of a task: `model.fit(*data.train)`.

    Attributes:
        inputs: float32 [rows, num_inputs], in [0, 1].
        targets: float32 [rows, num_outputs]: one-hot classes, one column of 0 and 1 for two classes, or the targets of
            a regression.
    """

    inputs: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True, slots=True)
class GivenData:
    """A prepared task, split for a run. The arrays are the run's own: it may write to them.

    Attributes:
        name: Name of the task.
        kind: What is learned.
        num_inputs: Columns of all inputs.
        num_outputs: Columns of all targets.
        train: The rows to train on.
        validation: Those to choose by; None if the run has none.
        test: Those to be judged by.
    """

    name: str
    kind: Literal["classification", "regression"]
    num_inputs: int
    num_outputs: int
    train: Rows
    validation: Rows | None
    test: Rows


def mapped(about: Mapping[str, Any], descriptor: int) -> GivenData:
    """Return the data that a file holds, which is closed and stays in memory for as long as they are used.

    Args:
        about: What `survey.functions.run_data` says of the file.
        descriptor: The file.
    """
    import numpy as np

    content = mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    os.close(descriptor)
    columns, place = (about["num_inputs"], about["num_outputs"]), 0
    parts: dict[str, Rows | None] = {}
    for part, count in about["rows"].items():
        arrays = []
        for width in columns:
            arrays.append(np.frombuffer(content, np.float32, count * width, place).reshape(count, width))
            place += arrays[-1].nbytes
        parts[part] = Rows(*arrays) if count else None
    return GivenData(**{name: about[name] for name in ("name", "kind", "num_inputs", "num_outputs")}, **parts)  # pyright: ignore[reportArgumentType]
