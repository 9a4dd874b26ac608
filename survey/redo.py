"""Experiments that are trained anew although they are done: `--redo`.

The MLflow runs of the trials that trained them are noted as replaced, before anything is trained, and count no more:
their runs are missing then, and so are trained by this launch or a later one. The rows in the data set stay until the
new ones are there, and give way to them run by run, atomically in each partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from survey.checkpoint import remove_checkpoints
from survey.dataset import mlflow_runs_of, runs_done
from survey.errors import InputError, nearest
from survey.experiment import Experiment
from survey.output import Output
from survey.plan import Plan

if TYPE_CHECKING:
    from survey.tracking.store import TrackingStore

_NAMES = tuple(field.name for field in fields(Experiment) if field.name != "task_content")
_TYPES = {"int": int, "float": float}


@dataclass(frozen=True)
class RedoFilter:
    """A filter over experiments: values by hyperparameter, of which every one has to be met.

    Attributes:
        text: The filter as it was given.
        values: Name of a hyperparameter and the value that it has to have.
    """

    text: str
    values: tuple[tuple[str, object], ...]

    @classmethod
    def parse(cls, text: str) -> RedoFilter:
        """Read `NAME=VALUE`, or several of them with commas between: `dataset=sklearn:digits,depth=3`.

        Raises:
            InputError: It is no filter; the message says what is allowed.
        """
        pairs = []
        for part in text.split(","):
            name, equals, value = (each.strip() for each in part.partition("="))
            name = name.replace(".", "_")
            if not equals or not value:
                raise InputError(f"--redo: expected NAME=VALUE[,NAME=VALUE...], found {text!r}")
            if name not in _NAMES:
                hint = nearest(name, _NAMES)
                raise InputError(f"--redo: {name!r} is no hyperparameter{hint}; expected one of {', '.join(_NAMES)}")
            pairs.append((name, _value(name, value)))
        return cls(text, tuple(pairs))

    def matches(self, experiment: Experiment) -> bool:
        """Whether an experiment meets every value."""
        return all(getattr(experiment, name) == value for name, value in self.values)


class Redo:
    """The experiments of a survey that are to be trained anew.

    Args:
        wanted: Which.
        output: The output of the survey.
        experiments: The experiments of the survey.

    Raises:
        InputError: None of them is wanted.
    """

    def __init__(self, wanted: RedoFilter, output: Output, experiments: Iterable[Experiment]) -> None:
        self._text, self._output = wanted.text, output
        self._ids = frozenset(each.experiment_id for each in experiments if wanted.matches(each))
        if not self._ids:
            raise InputError(f"--redo: no experiment of this survey has {wanted.text}")

    def replaced(self, store: TrackingStore | None, plan: Callable[[Mapping[int, set[int]]], Plan]) -> frozenset[str]:
        """Return the MLflow runs that count no more, with those that are to be replaced now.

        A filter that an earlier launch was given, and whose runs are not all replaced yet, goes on where that one was.

        Args:
            store: The tracking store, where there is one.
            plan: Plans what is missing where so much is done.
        """
        before = self._output.replaced
        if self._text in self._output.redone:
            trials = plan(runs_done(self._output.dataset, before)).trials
            missing = self._ids.intersection(trial.experiment.experiment_id for trial in trials)
            if mlflow_runs_of(self._output.dataset, missing).intersection(self._output.redone[self._text]):
                return before
        finished = store.finished_run_ids(self._ids) if store else set()
        return before | finished | mlflow_runs_of(self._output.dataset, self._ids)

    def mark(self, store: TrackingStore | None, plan: Callable[[Mapping[int, set[int]]], Plan]) -> None:
        """Note what is to be replaced; arguments as of `replaced`."""
        again = self.replaced(store, plan) - self._output.replaced
        if again:
            remove_checkpoints(self._output.checkpoints, self._ids)
            self._output.redo(self._text, again)


def _value(name: str, text: str) -> object:
    """A value in the type of its hyperparameter; a regularizer of type `none` is None."""
    if name == "dataset":
        return text.removeprefix("pmlb:")
    if name == "kernel_regularizer_type":
        return None if text.lower() == "none" else text
    kind = _TYPES.get(str(Experiment.__dataclass_fields__[name].type), str)
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"--redo: expected a number for {name}, found {text!r}") from None
