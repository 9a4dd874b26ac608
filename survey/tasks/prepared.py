"""A task ready for training: its arrays, what follows from them, and the digest of their content."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from survey.tasks.catalog import Kind
from survey.tasks.parts import PARTS, PartSizes

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Preparation:
    """What the preparation of a table did.

    Attributes:
        scaled: Number of columns that were min-max scaled, or divided as pixels, each to one input.
        binary: Number of columns of two values, each of which became one input.
        one_hot: Number of one-hot columns.
        one_hot_inputs: Number of inputs that the one-hot columns became.
        dropped: Names of the columns that were dropped because they have a single value.
        rows_dropped: Number of rows that were dropped because a value is missing.
        cells_filled: Number of missing values that were filled in.
        classes: Distinct values of the target with their numbers of rows, the most frequent first; empty where the
            target was min-max scaled.
    """

    scaled: int = 0
    binary: int = 0
    one_hot: int = 0
    one_hot_inputs: int = 0
    dropped: tuple[str, ...] = ()
    rows_dropped: int = 0
    cells_filled: int = 0
    classes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, eq=False)
class PreparedTask:
    """A task ready for training. Its arrays are read-only, because every run in a process shares them.

    Attributes:
        name: Canonical name of the task.
        kind: Classification or regression.
        inputs: float32 [rows, num_inputs], C-contiguous, in [0, 1]; of images, sequences and the like [rows, *shape].
        targets: float32 [rows, num_outputs], C-contiguous, in [0, 1].
        digest: SHA-256, as hex, of kind, shapes, contents and parts, but not of the name; computed unless given.
        preparation: How the columns of its table became inputs and outputs; None where this is not known.
        target_minimum: Minimum of a min-max scaled target, in its own unit; None where it was not scaled.
        target_range: Maximum minus minimum of that target.
        parts: int8 [rows], for which part each row is, as a number of `survey.tasks.parts.PARTS`; None where each
            repetition draws its own split.

    Raises:
        ValueError: Inputs have no columns, targets are no matrix, or parts no vector, with equal numbers of rows.
    """

    name: str
    kind: Kind
    inputs: np.ndarray
    targets: np.ndarray
    digest: str = ""
    preparation: Preparation | None = None
    target_minimum: float | None = None
    target_range: float | None = None
    parts: np.ndarray | None = None

    def __post_init__(self) -> None:
        import numpy as np

        if self.inputs.ndim < 2 or self.targets.ndim != 2 or len(self.inputs) != len(self.targets):
            raise ValueError(f"expected [rows, columns] twice, found {self.inputs.shape} and {self.targets.shape}")
        for name in ("inputs", "targets"):
            # A view, so that the caller's own array stays writable.
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float32).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.parts is not None:
            if self.parts.shape != self.inputs.shape[:1]:
                raise ValueError(f"expected the part of each of {len(self.inputs)} rows, found {self.parts.shape}")
            parts = np.ascontiguousarray(self.parts, dtype=np.int8).view()
            parts.flags.writeable = False
            object.__setattr__(self, "parts", parts)
        if not self.digest:
            object.__setattr__(self, "digest", _digest(self.kind, self.inputs, self.targets, self.parts))

    @property
    def num_rows(self) -> int:
        """Number of rows of the whole table."""
        return self.inputs.shape[0]

    @property
    def part_sizes(self) -> PartSizes | None:
        """Rows of each part; None where each repetition draws its own split."""
        import numpy as np

        return None if self.parts is None else PartSizes(*np.bincount(self.parts, minlength=len(PARTS)).tolist())

    @property
    def num_inputs(self) -> int:
        """Numbers in the inputs of a row."""
        return math.prod(self.input_shape)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the inputs of a row: (columns,) of a table."""
        return self.inputs.shape[1:]

    @property
    def num_outputs(self) -> int:
        """Number of columns of the targets."""
        return self.targets.shape[1]

    @property
    def target_variance(self) -> float | None:
        """Variance of a regression target over all rows, the mean over its columns; None for a classification."""
        import numpy as np

        return float(self.targets.var(axis=0, dtype=np.float64).mean()) if self.kind == "regression" else None

    @property
    def output_activation(self) -> Literal["softmax", "sigmoid"]:
        """Activation of the output layer: softmax for more than two classes, else sigmoid."""
        return "softmax" if self.kind == "classification" and self.num_outputs > 1 else "sigmoid"

    @property
    def loss(self) -> Literal["categorical_crossentropy", "binary_crossentropy", "mean_squared_error"]:
        """The loss to minimise, by its name in Keras."""
        if self.kind == "regression":
            return "mean_squared_error"
        return "categorical_crossentropy" if self.num_outputs > 1 else "binary_crossentropy"


def _digest(kind: Kind, inputs: np.ndarray, targets: np.ndarray, parts: np.ndarray | None) -> str:
    import numpy as np

    header = json.dumps({"kind": kind, "inputs": inputs.shape, "targets": targets.shape}, sort_keys=True)
    digest = hashlib.sha256(header.encode())
    for array in (inputs, targets):
        digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    if parts is not None:  # what has no split of its own keeps the digest that it had before there were any
        digest.update(b"parts" + parts.tobytes())
    return digest.hexdigest()
