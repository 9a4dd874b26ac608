"""Training functions as workloads: what the interface asks for, made from the description of a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from survey.errors import InputError
from survey.functions import kinds
from survey.functions.description import Description, taken_names
from survey.functions.experiment import FunctionExperiment
from survey.functions.search_space import FunctionSpace, space_type_of
from survey.functions.server import FunctionServer
from survey.functions.source import Source
from survey.functions.trainer import Calls, FunctionTrainer, working_folder
from survey.text.names import folded
from survey.workloads.columns import Columns
from survey.workloads.cost import CostModel, Sample
from survey.workloads.workload import SurveyData, Training, Workload

if TYPE_CHECKING:
    import torch


class FunctionWork(NamedTuple):
    """The work of an epoch: how many runs call the function."""

    calls: float
    flops: float = 0.0
    step_flops: float = 0.0


@dataclass(frozen=True, slots=True)
class FunctionNeeds:
    """What a call of the function needs, of which nothing is known before it runs."""

    experiment: FunctionExperiment
    metrics: tuple[str, ...]
    run_bytes: int = 0
    shared_bytes: int = 0
    state_bytes: int = 0

    @property
    def details(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def work(self, runs: int, *, on_gpu: bool = False) -> FunctionWork:
        """Count the calls of an epoch."""
        return FunctionWork(runs)

    def sample(self, runs: int, *, device: str, seconds: float, packed: int) -> Sample:
        """Train an epoch or more, for about so many seconds."""
        raise NotImplementedError


class FunctionData(SurveyData):
    """The source of the function, which workers need to call it.

    Args:
        spaces: The search spaces.
        description: What is known of the function, with what an earlier launch has recorded.
        has_changed: Whether its source is another one than that of an earlier launch.
    """

    def __init__(self, spaces: Sequence[FunctionSpace], description: Description, *, has_changed: bool) -> None:
        self._description, self._has_changed = description, has_changed
        sources = {space.SOURCE.digest: space.SOURCE for space in spaces if space.SOURCE}
        if len(sources) > 1:
            raise InputError(
                f"{', '.join(space.name for space in spaces)}: {description.name} is another function in each; give "
                "one of them a name of its own by `workload`, or launch them by themselves"
            )
        self._source = next(iter(sources.values()), None)
        self._spaces = [space.name for space in spaces]

    def needs(self, experiment: FunctionExperiment, *, may_guess: bool = False) -> FunctionNeeds:
        """Return what a call needs."""
        return FunctionNeeds(experiment, (self._description.objective,))

    def lines(self, told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Say that the source has changed."""
        if self._has_changed:
            yield (
                f"the source of {self._description.name} has changed since the last launch, under the same version "
                f"{self._description.version}: what is done stays; if it means other work now, raise `version`"
            )

    def load(
        self, experiments: Iterable[FunctionExperiment], dataset: Path, *, bundled: bool = True
    ) -> Mapping[str, Any]:
        """Return the source, the folder that the function runs in, and names that no metric can have."""
        return {"source": self._source, "folder": working_folder(), "spaces": self._spaces}


class FunctionWorkload(Workload):
    """A training function, as its description says.

    Args:
        description: What is known of it.
        has_changed: Whether its source is another one than that of an earlier launch.
    """

    def __init__(self, description: Description, *, has_changed: bool = False) -> None:
        self._has_changed = has_changed
        self.name, self.about, self.description = description.workload, description.to_json(), description
        self._server: tuple[str, FunctionServer] | None = None

    @property
    def experiment_type(self) -> type[FunctionExperiment]:
        """The class of its experiments."""
        return FunctionExperiment

    @property
    def space_type(self) -> type[FunctionSpace]:
        """The class of its search spaces, each of which has one of its own."""
        return FunctionSpace

    @property
    def columns(self) -> Columns:
        """Its columns in the data set."""
        return self.description.columns

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """What makes the values of its axes from texts, by name."""
        axes = {axis.name: partial(kinds.parsed, axis.kind) for axis in self.description.axes}
        return {**axes, "epochs": int, "draws": str, "function_version": int}

    def joined(self, earlier: Workload) -> FunctionWorkload:
        """Return it with what an output has recorded of it."""
        assert isinstance(earlier, FunctionWorkload)
        mine, before = self.description, earlier.description
        version = str(mine.version)
        known = before.digests.get(version)
        has_changed = known is not None and mine.digests.get(version, known) != known
        return FunctionWorkload(mine.joined(before), has_changed=has_changed)

    def data(self, spaces: Sequence[FunctionSpace]) -> FunctionData:
        """Return the source of the function."""
        return FunctionData(spaces, self.description, has_changed=self._has_changed)

    def cost_model(self, *, on_gpu: bool) -> CostModel:
        """Return a cost of which nothing is known: all epochs are alike."""
        return CostModel((1.0, 0.0, 0.0))

    def training(
        self, experiment: FunctionExperiment, details: Mapping[str, Any], data: Mapping[str, Any], device: torch.device
    ) -> Training:
        """Return the training of an experiment: one run at a time."""
        source: Source = data["source"]
        taken = taken_names(self.columns).union(map(folded, data["spaces"]))
        calls = Calls(self._serving(source), experiment, self.description.objective, taken, device.type, data["folder"])
        described = {**experiment.described, "source_digest": source.digest}
        return Training(partial(FunctionTrainer, calls), described, runs_at_once=1)

    def _serving(self, source: Source) -> FunctionServer:
        """The process that has imported the function, which trials of this process share."""
        if self._server and (self._server[0] != source.digest or not self._server[1].is_alive):
            self._server[1].close()
            self._server = None
        if not self._server:
            self._server = source.digest, FunctionServer(source)
        return self._server[1]


class _Functions:
    """Training functions of all kinds, see `survey.workloads.workload.Family`."""

    @property
    def experiment_type(self) -> type[FunctionExperiment]:
        """The class of experiments on all functions."""
        return FunctionExperiment

    def member(self, name: str, about: str) -> FunctionWorkload:
        """Return the workload of one function."""
        try:
            return FunctionWorkload(Description.from_json(about))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"workload: what is recorded of {name!r} cannot be read: {error}") from None

    def space_type_of(self, document: dict[str, Any], folder: Path, *, is_kept: bool) -> type[FunctionSpace]:
        """Return the class of a search space, for its function."""
        return space_type_of(document, folder, is_kept=is_kept)


FAMILY = _Functions()
