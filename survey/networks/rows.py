"""How many rows of a task a run learns from, chooses its epoch by, and is judged by.

The test set has ceil(0.2 x rows) rows, as in the published data. Of the rows that are left, ceil(validation_split x
rows) are the validation set; of those that are left then, the network trains on ceil(train_fraction x rows). A task of
the user's own may say itself which rows are for what; what it leaves open is drawn from its training rows.

`survey.networks.training.streams` draws which rows these are.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from survey.tasks.parts import PartSizes

TEST_SPLIT = 0.2
"""Fraction of a task's rows held out as the test set of a run."""


def num_test_rows(num_rows: int) -> int:
    """Return the rows of the test set: ceil(TEST_SPLIT * num_rows), as scikit-learn's `train_test_split` takes."""
    return -(-num_rows // round(1 / TEST_SPLIT))


class RowCounts(NamedTuple):
    """Rows of each set of a run.

    Attributes:
        train: Rows that it is trained on.
        validation: Rows of the validation set; 0 if there is none.
        test: Rows of the test set.
    """

    train: int
    validation: int
    test: int

    @property
    def used(self) -> int:
        """Rows of all sets; a task can have more, if it is not trained on all."""
        return self.train + self.validation + self.test


@lru_cache(maxsize=1 << 14)
def count_rows(
    num_rows: int, validation_split: float, train_fraction: float, parts: PartSizes | None = None
) -> RowCounts:
    """Count the rows of each set of a run; `survey.networks.splits` checks that some are left to train on.

    Args:
        num_rows: Rows of the task.
        validation_split: Fraction of the training rows that is held out too; of a task with a validation set of its
            own, 0.
        train_fraction: Fraction of what is left that the network trains on.
        parts: Rows of each part of a task with a split of its own.
    """
    test = parts.test if parts else num_test_rows(num_rows)
    own = parts.validation if parts else 0
    left = num_rows - test - own
    drawn = _share(validation_split, left)
    return RowCounts(_share(train_fraction, left - drawn), own + drawn, test)


def _share(fraction: float, rows: int) -> int:
    """ceil(fraction * rows), of the decimal fraction that was written: 0.07 of 100 rows are 7."""
    if fraction in (0.0, 1.0):
        return int(fraction) * rows
    return math.ceil(Fraction(repr(fraction)) * rows)
