"""The plan of a launch: what to train, in order, and how much of the survey is done already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

from survey.plan.bundles import PlannedBundle, in_order
from survey.plan.division import Cores, divided, interleaved
from survey.plan.gpu_sharing import Packing, placed
from survey.workloads.cost import CostModel


@dataclass(frozen=True)
class Plan:
    """What a launch trains, and what is done already.

    Attributes:
        bundles: What to train, in scheduling order: by GPU fraction, then longest first; where cores train beside
            GPUs, theirs between those, longest first too. Bundles packed into one trial are neighbours.
        num_experiments: Experiments, without those that are left out.
        num_experiments_done: Experiments whose repetitions are all done.
        num_left_out: Experiments that the workload leaves out, such as networks that come not near their size.
        num_runs: Repetitions of all experiments.
        num_runs_done: Repetitions that are done.
        epochs: Epochs of all experiments, done or not, by the names of the metrics that they record.
        run_epochs: Epochs of all their repetitions, likewise.
        sweeps_per_experiment: Average number of search spaces that contain an experiment.
        packed: Number of `bundles`, in order, in each trial; empty if each is a trial of its own.
    """

    bundles: tuple[PlannedBundle, ...]
    num_experiments: int
    num_experiments_done: int
    num_left_out: int
    num_runs: int
    num_runs_done: int
    epochs: Mapping[tuple[str, ...], int]
    run_epochs: Mapping[tuple[str, ...], int]
    sweeps_per_experiment: float = 1.0
    packed: tuple[int, ...] = ()

    @cached_property
    def trials(self) -> tuple[tuple[PlannedBundle, ...], ...]:
        """The bundles of each trial: one, or several that are packed."""
        if not self.packed:
            return tuple((trial,) for trial in self.bundles)
        ends = accumulate(self.packed)
        return tuple(self.bundles[end - count : end] for end, count in zip(ends, self.packed, strict=True))

    @property
    def num_runs_planned(self) -> int:
        """Repetitions to train."""
        return sum(len(trial.repetitions) for trial in self.bundles)

    @property
    def run_epochs_planned(self) -> int:
        """Epochs to train, summed over repetitions."""
        return sum(trial.run_epochs for trial in self.bundles)

    def with_costs(self, model: CostModel) -> Plan:
        """Estimate the costs by another model, and order the bundles by them, unpacked; ask again for their memory."""
        bundles = []
        for each in self.bundles:
            runs, needs = len(each.repetitions), each.needs
            cost_s, training_s = model.bundle_s(each.work, epochs=each.num_epochs, runs=runs)
            num_bytes = needs.shared_bytes + runs * needs.run_bytes
            bundles.append(each._replace(cost_s=cost_s, training_s=training_s, bundle_bytes=num_bytes))
        return replace(self, bundles=in_order(bundles), packed=())

    def on_gpus(
        self, fraction: Callable[[int], float], packing: Packing | None = None, cores: Cores | None = None
    ) -> Plan:
        """Pack bundles into trials; give each the fraction of a GPU that `fraction` returns for its memory in bytes.

        Packed bundles are of similar cost, so that they end together, and take half of a GPU's memory at most, unless
        `fraction` is the same for all. If there are more cores than trials on GPUs take, they train some bundles.
        """
        trials = placed(self.bundles, fraction, packing)
        num_cores = cores.places.on_cores(trials) if cores else 0
        if cores and num_cores and trials:
            gain = packing.gain_of if packing else lambda _: 1.0
            on_gpus, on_cores = divided(self.bundles, gain, cores, num_cores)
            trials = interleaved(placed(on_gpus, fraction, packing), on_cores)
        bundles = tuple(bundle for trial in trials for bundle in trial)
        packed = tuple(map(len, trials)) if len(trials) < len(bundles) else ()
        return replace(self, bundles=bundles, packed=packed)
