"""Which core trains a network: on a CPU the compiled one if it is small, else that in PyTorch.

On a GPU the block core could train small ones; `BLOCK_TRAINS` says why it does not yet.

The rule looks at the experiment, its network and the processor alone: not at how many runs or epochs there are, so that
a run does not depend on what trains beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from survey.networks.block.layout import MOST_BYTES, Layout, layouts
from survey.networks.compiled import library
from survey.networks.compiled.library import Unit
from survey.networks.experiment import FLOAT32, NetworkExperiment
from survey.networks.topology import residual_layers

if TYPE_CHECKING:
    import torch

    from survey.networks.block.trainer import BlockTrainer
    from survey.networks.compiled.trainer import CompiledTrainer
    from survey.networks.training.loop import Trainer

MOST_WEIGHTS = {"avx512": 1 << 20, "avx2": 1 << 18, "neon": 1 << 18}
"""Weights of the largest layer that each unit of the compiled core trains. Larger ones outgrow the second-level cache,
for which PyTorch's libraries are made: `python -m benchmarks.cores` compares both. NEON has not been measured."""

BLOCK_TRAINS = False
"""Whether the block core trains on a GPU what it knows. Not before it has been measured on one: its numbers are tested
on a CPU, but not how fast it is. `python -m benchmarks.card --parts kernel` measures both."""

_KEEPS_OUTPUT = ("relu", "tanh", "sigmoid", "elu")
"""Activations whose gradient is computed from their output, as `keeps_output` in `compiled/activations.h`."""


def unit_for(experiment: NetworkExperiment, num_inputs: int, widths: Sequence[int], *, on_gpu: bool) -> Unit | None:
    """Return the unit of the compiled core that trains an experiment; None if PyTorch does.

    Args:
        experiment: The hyperparameters.
        num_inputs: Inputs of its network.
        widths: Width of each layer.
        on_gpu: Whether it trains on a GPU.
    """
    units = library.units()
    is_known = experiment.normalization == "none" and experiment.precision == FLOAT32
    if on_gpu or not units or not is_known or len(widths) > library.MOST_LAYERS:
        return None
    largest = max(fan_in * fan_out for fan_in, fan_out in pairwise((num_inputs, *widths)))
    return units[0] if largest <= MOST_WEIGHTS[units[0].name] else None


def block_layouts(
    experiment: NetworkExperiment, num_inputs: int, widths: Sequence[int], most_bytes: int = MOST_BYTES
) -> Iterator[Layout]:
    """Find how the block core can train an experiment on a GPU; nothing if it cannot.

    Args:
        experiment: The hyperparameters.
        num_inputs: Inputs of its network.
        widths: Width of each layer.
        most_bytes: Shared memory that a block of the GPU may have.

    Yields:
        What is expected to be fastest first.
    """
    is_residual = any(residual_layers(experiment.shape, widths))
    is_plain = experiment.normalization == "none" and not experiment.dropout and not is_residual
    if experiment.precision == FLOAT32 and is_plain and not experiment.gradient_clip:
        keeps_output = experiment.activation in _KEEPS_OUTPUT
        yield from layouts(
            num_inputs, widths, batch_size=experiment.batch_size, keeps_output=keeps_output, most_bytes=most_bytes
        )


def make_trainer(
    experiment: NetworkExperiment,
    *,
    inputs: torch.Tensor,
    widths: Sequence[int],
    device: torch.device | str = "cpu",
    **options: Any,
) -> Trainer | CompiledTrainer | BlockTrainer:
    """Make a trainer of the core that trains an experiment; arguments as of `survey.networks.training.loop.Trainer`."""
    import torch

    from survey.networks.compiled.trainer import CompiledTrainer
    from survey.networks.training.loop import Trainer

    is_on_cpu = torch.device(device).type == "cpu"
    unit = unit_for(experiment, inputs.shape[1], widths, on_gpu=not is_on_cpu)
    if unit:
        return CompiledTrainer(experiment, inputs=inputs, widths=widths, unit=unit, **options)
    if BLOCK_TRAINS and not is_on_cpu:
        most_bytes = torch.cuda.get_device_properties(device).shared_memory_per_block_optin
        layout = next(block_layouts(experiment, inputs.shape[1], widths, most_bytes), None)
        if layout:
            return make_block_trainer(experiment, inputs=inputs, widths=widths, layout=layout, device=device, **options)
    return Trainer(experiment, inputs=inputs, widths=widths, device=device, **options)


def make_block_trainer(experiment: NetworkExperiment, **options: Any) -> BlockTrainer:
    """Make a trainer of the block core on a GPU, whether it is chosen there or not; arguments as of `BlockTrainer`."""
    from survey.networks.block.cuda import CudaKernel
    from survey.networks.block.trainer import BlockTrainer

    return BlockTrainer(experiment, compile_kernel=CudaKernel, **options)


def told() -> str:
    """Say which core trains."""
    units = library.units()
    if not units:
        return "PyTorch trains all networks: there is no compiled core, or it does not know this processor"
    return f"on a CPU, the compiled core ({units[0].name}) trains small networks, and PyTorch the others"
