"""Which core trains a network: the compiled one if it is small, else that in PyTorch.

The rule looks at the experiment, its network and the processor alone: not at how many runs or epochs there are, so that
a run does not depend on what trains beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from survey.networks.compiled import library
from survey.networks.compiled.library import Unit
from survey.networks.experiment import NetworkExperiment

if TYPE_CHECKING:
    import torch

    from survey.networks.compiled.trainer import CompiledTrainer
    from survey.networks.training.loop import Trainer

MOST_WEIGHTS = 1 << 18
"""Weights of the largest layer that the compiled core trains. Larger ones outgrow the second-level cache, for which
PyTorch's libraries are made: `python -m benchmarks.training` shows both cores."""


def unit_for(experiment: NetworkExperiment, num_inputs: int, widths: Sequence[int], *, on_gpu: bool) -> Unit | None:
    """Return the unit of the compiled core that trains an experiment; None if PyTorch does.

    Args:
        experiment: The hyperparameters.
        num_inputs: Inputs of its network.
        widths: Width of each layer.
        on_gpu: Whether it trains on a GPU.
    """
    units = library.units()
    is_known = experiment.normalization == "none" and len(widths) <= library.MOST_LAYERS
    if on_gpu or not units or not is_known:
        return None
    largest = max(fan_in * fan_out for fan_in, fan_out in pairwise((num_inputs, *widths)))
    return units[0] if largest <= MOST_WEIGHTS else None


def make_trainer(
    experiment: NetworkExperiment,
    *,
    inputs: torch.Tensor,
    widths: Sequence[int],
    device: torch.device | str = "cpu",
    **options: Any,
) -> Trainer | CompiledTrainer:
    """Make a trainer of the core that trains an experiment; arguments as of `survey.networks.training.loop.Trainer`."""
    import torch

    from survey.networks.compiled.trainer import CompiledTrainer
    from survey.networks.training.loop import Trainer

    is_on_cpu = torch.device(device).type == "cpu"
    unit = unit_for(experiment, inputs.shape[1], widths, on_gpu=not is_on_cpu)
    if unit:
        return CompiledTrainer(experiment, inputs=inputs, widths=widths, unit=unit, **options)
    return Trainer(experiment, inputs=inputs, widths=widths, device=device, **options)


def told() -> str:
    """Say which core trains."""
    units = library.units()
    if not units:
        return "PyTorch trains all networks: there is no compiled core, or it does not know this processor"
    return f"on a CPU, the compiled core ({units[0].name}) trains small networks, and PyTorch the others"
