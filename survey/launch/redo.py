"""`--redo`: finished experiments that are trained again.

Right before training, the MLflow runs of the trials that trained them are recorded as superseded. From then on their
runs count as missing, so that this launch or a later one trains them. Their rows stay in the data set until new ones
replace them, run by run, atomically in each partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from survey.dataset.completed_runs import CompletedRuns, TrainedRuns, trained_runs
from survey.errors import InputError, nearest
from survey.output.folder import Output
from survey.output.states import States
from survey.plan.plan import Plan
from survey.trials.checkpoint import remove_checkpoints
from survey.workloads.experiment import Experiment

if TYPE_CHECKING:
    from survey.tracking.store import TrackingStore


@dataclass(frozen=True)
class RedoFilter:
    """A filter over experiments: required values of hyperparameters.

    Attributes:
        text: The filter as the user gave it.
        values: Pairs of a hyperparameter's name and its required value.
    """

    text: str
    values: tuple[tuple[str, object], ...]

    @classmethod
    def parse(cls, text: str, hyperparameters: Mapping[str, Any]) -> RedoFilter:
        """Parse `NAME=VALUE[,NAME=VALUE...]`, such as `dataset=sklearn:digits,depth=3`.

        Args:
            text: The filter.
            hyperparameters: Their types by name, see `survey.workloads.workload.Workload.hyperparameters`.

        Raises:
            InputError: The text is not a filter; the message says what is allowed.
        """
        names = list(hyperparameters)
        pairs = []
        for part in text.split(","):
            name, equals, value = (each.strip() for each in part.partition("="))
            name = name.replace(".", "_")
            if not equals or not value:
                raise InputError(f"--redo: expected NAME=VALUE[,NAME=VALUE...], found {text!r}")
            if name not in names:
                hint = nearest(name, names)
                raise InputError(f"--redo: {name!r} is not a hyperparameter{hint}; expected one of {', '.join(names)}")
            pairs.append((name, _value(name, value, hyperparameters[name])))
        return cls(text, tuple(pairs))

    def matches(self, experiment: Experiment) -> bool:
        """Whether an experiment has every required value."""
        return all(getattr(experiment, name) == value for name, value in self.values)


class Redo:
    """The experiments of a survey to train again.

    Args:
        wanted: Filter that they match.
        output: The output of the survey.
        experiments: The experiments of the survey.

    Raises:
        InputError: None of them matches.
    """

    def __init__(self, wanted: RedoFilter, output: Output, experiments: Iterable[Experiment]) -> None:
        self._text, self._output = wanted.text, output
        self._prefixes = {each.experiment_id: each.prefix_id for each in experiments if wanted.matches(each)}
        self._ids = frozenset(self._prefixes)
        if not self._ids:
            raise InputError(f"--redo: no experiment of this survey has {wanted.text}")

    def find(self, store: TrackingStore | None, plan: Callable[..., Plan]) -> dict[str, int]:
        """Return the MLflow runs that this launch supersedes, and the experiment of each.

        They trained repetitions of matching experiments that this launch takes. If an earlier launch with the same
        filter did not finish, experiments that it has already superseded are left out.

        Args:
            store: The tracking store, if there is one.
            plan: `Request.plan`.

        Raises:
            InputError: The launch takes none of the matching experiments.
        """
        taken = self._taken(plan)
        trained = [
            *trained_runs(self._output.dataset, self._ids),
            *(store.finished.trained_runs(self._ids) if store else ()),
        ]
        for experiment_id in self._begun(trained, plan):
            taken.pop(experiment_id, None)
        before = self._output.redo_log.superseded
        return {
            each.mlflow_run_id: each.experiment_id
            for each in trained
            if each.mlflow_run_id not in before and taken.get(each.experiment_id, set()).intersection(each.repetitions)
        }

    def _taken(self, plan: Callable[..., Plan]) -> dict[int, set[int]]:
        """The repetitions of each matching experiment that the launch takes, done or not."""
        taken: dict[int, set[int]] = {}
        for bundle in plan({}).bundles:
            if bundle.experiment.experiment_id in self._ids:
                taken.setdefault(bundle.experiment.experiment_id, set()).update(bundle.repetitions)
        if not taken:
            raise InputError(
                f"--redo: this launch takes no experiment with {self._text}: --limit, or a size that no network comes "
                "near, leaves them out"
            )
        return taken

    def _begun(self, trained: Iterable[TrainedRuns], plan: Callable[..., Plan]) -> set[int]:
        """Experiments that earlier launches with this filter have superseded; none if those launches have finished."""
        earlier = frozenset(self._output.redo_log.by_filter().get(self._text, ()))
        if not earlier:
            return set()
        done = CompletedRuns.of_dataset(self._output.dataset, self._output.redo_log.superseded)
        bundles = plan(done, limited=False).bundles
        missing = self._ids.intersection(bundle.experiment.experiment_id for bundle in bundles)
        if earlier.isdisjoint(each.mlflow_run_id for each in trained_runs(self._output.dataset, missing)):
            return set()
        return {each.experiment_id for each in trained if each.mlflow_run_id in earlier}

    def mark(self, found: Mapping[str, int]) -> None:
        """Record the MLflow runs from `find` as superseded; remove checkpoints and states of their experiments."""
        if found:
            # In this order: superseded experiments are trained from the beginning, even after a kill in between.
            remove_checkpoints(self._output.checkpoints, found.values())
            States(self._output.states).remove(self._prefixes[each] for each in found.values())
            self._output.redo_log.add(self._text, found)


def _value(name: str, text: str, kind: Any) -> object:
    """Parse the value of a hyperparameter; `none` is None where that is possible."""
    if name == "dataset":
        return text.removeprefix("pmlb:")
    if type(None) in get_args(kind):
        return None if text.lower() == "none" else text
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"--redo: expected a number for {name}, found {text!r}") from None
