"""The interface between what is surveyed and how: a workload.

Everything outside of a workload (search spaces, plan, price, trials, MLflow, export, status, publishing, combining)
knows it by this interface alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

from survey.workloads.columns import Columns
from survey.workloads.cost import CostModel, Sample, Work
from survey.workloads.experiment import Experiment

if TYPE_CHECKING:
    import numpy as np
    import torch


_NO_HYPERPARAMETERS = ("task_content", "training_version")
"""Fields of experiments that nobody chooses."""


class EndOfTrainingError(Exception):
    """The runs of a trainer have no further epoch, though more were asked for: a function may stop early."""


class EpochUnderWayError(Exception):
    """The epoch that was started has not ended yet, and may take long: whoever waits can look around meanwhile."""


class ContainedError(Exception):
    """Training has failed in a process of its own, so that this one is as before: it can be tried again here."""


class Trainer(Protocol):
    """Trains some runs of one experiment side by side, epoch by epoch.

    Attributes:
        epoch: Number of epochs trained so far.
    """

    epoch: int

    def start_epoch(self) -> None:
        """Train an epoch of every run; on a GPU, only start it, on the current stream.

        Raises:
            torch.OutOfMemoryError, RuntimeError, MemoryError: They do not fit into memory together.
        """
        ...

    def end_epoch(self) -> torch.Tensor | Mapping[str, torch.Tensor]:
        """Wait for the epoch that was started, and return its metrics: float32 [metrics, runs] on the CPU.

        They are those of `Needs.metrics`, in that order. Where training finds out about them, it is a mapping from
        their names to float32 [runs] each, and one that is left out is not recorded in this epoch.

        Raises:
            EndOfTrainingError: There was no such epoch, and there will be none.
            EpochUnderWayError: It has not ended yet; call again.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Copy the state needed to continue: tensors and plain values, as `torch.load(weights_only=True)` takes."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of the same experiment and seeds."""
        ...


class MakeTrainer(Protocol):
    """Makes a trainer of some runs that has trained no epoch."""

    def __call__(self, *, seeds: Sequence[int]) -> Trainer:
        """Take the seeds of the runs; and their `folders`, if `Training.leaves_files`."""
        ...


@dataclass(frozen=True)
class Training:
    """The training of an experiment in a trial.

    Attributes:
        make_trainer: Makes the trainer of some of its runs.
        columns: Values of the workload's own columns in the data set.
        of_runs: Values of `Columns.of_runs`, float32 [runs] by name, from the seeds of the runs; None for none.
        runs_at_once: The most runs that a trainer takes; None for all that fit into memory.
        leaves_files: Whether runs leave files, which become artifacts of MLflow. `make_trainer` takes `folders` then, a
            path for each of its runs: made, emptied and filled by the trainer, and as it was where that goes on.
    """

    make_trainer: MakeTrainer
    columns: Mapping[str, Any]
    runs_at_once: int | None = None
    leaves_files: bool = False
    of_runs: Callable[[Sequence[int]], Mapping[str, np.ndarray]] | None = None


class Needs(Protocol):
    """What the training of an experiment needs."""

    @property
    def details(self) -> Mapping[str, Any]:
        """What its trial is told of it, and MLflow shows, beside the experiment: plain values."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that it records: all of the workload's or some, in their order.

        The objective is one of them. What it does not record is null in the data set, and MLflow has no rows of it.
        """
        ...

    @property
    def run_bytes(self) -> int:
        """Memory of each run, in bytes."""
        ...

    @property
    def shared_bytes(self) -> int:
        """Memory that the runs of a bundle share, in bytes; 0 for both if nothing is known of it.

        It may be asked for again after `sample`, which may find out about it.
        """
        ...

    @property
    def state_bytes(self) -> int:
        """What the state of each run takes on disk, in bytes: that of `Trainer.state_dict`."""
        ...

    def work(self, runs: int, *, on_gpu: bool = False) -> Work:
        """Count the operations of an epoch of so many runs together."""
        ...

    def sample(self, runs: int, *, device: str, seconds: float, packed: int) -> Sample:
        """Measure a part of such a bundle, for about so many seconds.

        Args:
            runs: Runs of the bundle.
            device: Where: `cpu` or `cuda`.
            seconds: How long, not counting the first epoch.
            packed: How many copies to try side by side on a GPU, for half as long again; 1 for none.
        """
        ...


class SurveyData:
    """What the experiments of some search spaces are trained on; this base class is for those that need no data.

    Raises:
        InputError: From every method: the data cannot be used.
    """

    @property
    def contents(self) -> dict[str, str]:
        """Digests of data that are part of the identity of experiments, by the name of the data."""
        return {}

    def needs(self, experiment: Any, *, may_guess: bool = False) -> Needs | None:
        """Return what the training of an experiment needs; None if it is left out of the survey.

        Args:
            experiment: The experiment.
            may_guess: Whether to guess what only data say that are not at hand.
        """
        raise NotImplementedError

    @property
    def guessed(self) -> tuple[str, ...]:
        """Names of data of which `needs` has guessed something."""
        return ()

    def check(self, *, may_guess: bool = False) -> None:
        """Check that something is left to train; `may_guess` as for `needs`."""

    def name_problem(self, dataset: Path) -> str:
        """Say why the names of data do not go with those of the data set in a folder; an empty text if they do."""
        return ""

    def check_dataset(self, dataset: Path) -> None:
        """Check that the user's own data are those of the rows of the data set in a folder."""

    def load(self, experiments: Iterable[Any], dataset: Path, *, bundled: bool = True) -> Mapping[str, Any]:
        """Load the data of experiments, and check that they are those of the rows of the data set in a folder.

        Args:
            experiments: What is to be trained.
            dataset: Folder of the data set.
            bundled: Whether to load those too that are always at hand.

        Returns:
            The data by name, as `Workload.training` takes them; workers get them through Ray's object store.
        """
        return {}

    def fetch(self) -> Iterator[tuple[str, Path | None]]:
        """Fetch what is public; yield the name and the file of each, None if it is always at hand."""
        yield from ()

    def told(self) -> dict[str, dict[str, Any]]:
        """What programs are told of how the user's own data were prepared, by name."""
        return {}

    def lines(self, told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield what `told` returns as lines for people."""
        yield from ()

    def forget_measurements(self) -> None:
        """Forget what a pilot has measured, as trials run on another kind of device."""

    def caveat(self) -> str:
        """Say what was guessed; an empty text if nothing was."""
        return ""


class Workload(ABC):
    """What a search space surveys.

    Attributes:
        name: Its name in search spaces, outputs and data sets.
        left_out: Why experiments without `Needs` are left out, in words.
        one_by_one: Whether the runs of an experiment train one after the other anyway, so that a plan may spread them
            over several trials.
        about: For a member of a family, its description, from which `registry.workload_named` makes it again.
    """

    name: str
    left_out: str = "impossible"
    one_by_one: bool = False
    about: str = ""

    @property
    @abstractmethod
    def experiment_type(self) -> type[Experiment]:
        """The class of its experiments."""

    @property
    @abstractmethod
    def space_type(self) -> type[Any]:
        """The class of its search spaces, of `survey.spaces.search_space.BaseSpace`."""

    @property
    @abstractmethod
    def columns(self) -> Columns:
        """Its columns in the data set, and its metrics."""

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """Types of the fields of its experiments, by name, the workload's own first."""
        hints = get_type_hints(self.experiment_type)
        common = {each.name for each in fields(Experiment)}
        names = sorted((each.name for each in fields(self.experiment_type)), key=common.__contains__)
        return {name: hints[name] for name in names if name not in _NO_HYPERPARAMETERS}

    def joined(self, earlier: Workload) -> Workload:
        """Return the workload with what an output or another data set has recorded of it.

        Args:
            earlier: The workload of the same name there.

        Raises:
            InputError: Both contradict each other.
        """
        return self

    @abstractmethod
    def data(self, spaces: Sequence[Any]) -> SurveyData:
        """Return what the experiments of search spaces are trained on."""

    @abstractmethod
    def cost_model(self, *, on_gpu: bool) -> CostModel:
        """Return rough costs of one core, or of one GPU, to order trials if no pilot has measured the machine."""

    def gpu_only(self, experiment: Any) -> str:
        """Say which axis, at which value, needs a GPU, as `precision tf32`; an empty text if an experiment needs none.

        A launch without a GPU refuses such experiments.
        """
        return ""

    def data_name(self, experiment: Any) -> str:
        """Return the name of the data that an experiment is trained on, as MLflow shows it; empty if it has none."""
        return ""

    def data_digest(self, experiment: Any, data: Mapping[str, Any]) -> str:
        """Return the digest of the data of an experiment, from what `SurveyData.load` has returned.

        A checkpoint that was made with other data is not used.
        """
        return ""

    @abstractmethod
    def training(
        self, experiment: Any, details: Mapping[str, Any], data: Mapping[str, Any], device: torch.device
    ) -> Training:
        """Return the training of an experiment.

        Args:
            experiment: What to train.
            details: What `Needs.details` has returned.
            data: What `SurveyData.load` has returned.
            device: Where to train.
        """


class Family(Protocol):
    """Workloads of one kind, of which a description makes one."""

    @property
    def experiment_type(self) -> type[Experiment]:
        """The class of the experiments of all of them."""
        ...

    def member(self, name: str, about: str) -> Workload:
        """Return the workload of this name, by its description.

        Raises:
            InputError: The description cannot be read.
        """
        ...

    def space_type_of(self, document: dict[str, Any], folder: Path, *, is_kept: bool) -> type[Any]:
        """Return the class of a search space, see `survey.workloads.registry.space_type_of`."""
        ...
