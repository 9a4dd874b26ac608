"""What an output and a data set keep of a module: its axes and their defaults. Whoever has this needs no code of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from survey.functions import kinds
from survey.functions.description import Description
from survey.networks.columns import COLUMNS, OF_ARCHITECTURE
from survey.networks.metrics import METRICS
from survey.workloads.registry import MODULES

if TYPE_CHECKING:
    from survey.workloads.columns import Column, Columns

_PATHS = ("dataset", "learning_rate", "batch_size", "epochs")
"""Hyperparameters in the paths of the data set, before the axes of the module that are there."""


def own_columns() -> dict[str, Column]:
    """Return the columns of a module that are neither those of its axes nor those of networks."""
    import pyarrow as pa

    return {
        "module_version": (pa.uint32(), "Version of the module, which its author raises"),
        "source_digest": (pa.string(), "SHA-256 of the source of the function that builds it and of what it imports"),
        "fused": (pa.string(), "yes: the runs of the trial were trained as one; or no, and why not"),
    }


@dataclass(frozen=True)
class ModuleDescription(Description):
    """What is known of a module; of a training function's description, the objective is given."""

    objective: str = METRICS.objective.name
    best: Literal["min", "max"] = "min"

    @property
    def workload(self) -> str:
        """Name of the workload among all workloads."""
        return f"{MODULES}:{self.name}"

    @cached_property
    def columns(self) -> Columns:
        """Its columns in the data set: those of networks that are not of their architecture, its own, and its axes."""
        of_axes = {
            axis.name: (kinds.arrow_type(axis.kind), f"Parameter of the module: {kinds.words(axis.kind)}")
            for axis in self.axes
        }
        shared = {name: column for name, column in COLUMNS.experiment.items() if name not in OF_ARCHITECTURE}
        own = own_columns()
        return replace(
            COLUMNS,
            workload=self.workload,
            about=self.to_json(),
            experiment={**shared, **of_axes, **own},
            partition=(*_PATHS, *self.partition),
            derived=frozenset([*(name for name in COLUMNS.derived if name in shared), *own]),
            given_lists={},
            not_published=frozenset([*COLUMNS.not_published, *of_axes, *own]),
            told=("num_free_parameters", "fused"),
            of_data=(*COLUMNS.of_data, "source_digest", "fused"),
            before={
                **{name: value for name, value in COLUMNS.before.items() if name in shared},
                **{axis.name: axis.default for axis in self.axes if axis.has_default and _is_scalar(axis.default)},
            },
        )


def _is_scalar(value: object) -> bool:
    return value is not None and not isinstance(value, tuple)
