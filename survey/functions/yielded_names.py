"""The names of the metrics that a run has yielded: each is checked once, against the columns that are there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from survey.functions.description import METRIC_NAME, names_of_metric
from survey.functions.server import FunctionError
from survey.workloads.metrics import found_metric


class YieldedNames:
    """The names of a run's metrics so far.

    Args:
        objective: The metric that the run has to yield.
        taken: Names that no metric can have, `folded`.
        seen: Names that were checked before the run was interrupted.
    """

    def __init__(self, objective: str, taken: frozenset[str], seen: Iterable[str] = ()) -> None:
        self._objective, self._taken, self._seen = objective, taken, set(seen)

    def __iter__(self) -> Iterator[str]:
        """Yield the names in their order."""
        return iter(sorted(self._seen))

    def add(self, names: Iterable[str]) -> None:
        """Check the names that are new.

        Raises:
            FunctionError: No metric can have such a name, or it would share a column of the data set.
        """
        for name in set(names) - self._seen:
            if not METRIC_NAME.fullmatch(name):
                raise FunctionError(f"{name!r}: expected a name of letters, digits, _, -, . and /, at most 100")
            self._check_columns(name)
            self._seen.add(name)

    def _check_columns(self, name: str) -> None:
        """Check that no column that the data set has of a metric is that of an axis or of another metric."""
        if name == self._objective:
            return  # whose columns the search space has been checked for
        names = names_of_metric(found_metric(name))
        if clash := names & self._taken:
            column = min(clash, key=len)
            raise FunctionError(
                f"{name!r}: the data set has a column {column!r} of an axis or of its own; yield it under another name"
            )
        for other in self._seen:
            if not names.isdisjoint(names_of_metric(found_metric(other))):
                raise FunctionError(f"{name!r} and {other!r} would share a column of the data set; rename one of them")

    def check_complete(self) -> None:
        """Check, at the end of a run, that the objective is among them.

        Raises:
            FunctionError: It is not.
        """
        if not self._seen:
            raise FunctionError("it has ended without yielding anything; expected a mapping of names to numbers")
        if self._objective not in self._seen:
            raise FunctionError(
                f"it has never yielded {self._objective!r}, which the search space names as objective; it has yielded "
                f"{', '.join(self)}"
            )
