"""What the kernel takes: the structures of `pass.h`, and how it is started."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, c_float, c_int64, c_void_p
from ctypes import c_int32 as c_int
from dataclasses import asdict, fields
from typing import Protocol

from survey.networks.block.layout import MOST_LAYERS, LayerLayout, Layout

HEADS = ("softmax", "binary", "regression")
OPTIMIZERS = {"adam": 0, "adamw": 0, "RMSprop": 1, "SGD": 2}
"""In the order of `pass.h`."""


class _Layer(Structure):
    _fields_ = tuple((each.name, c_int) for each in fields(LayerLayout))


class Pass(Structure):
    """A pass over a set of rows of all runs, see `pass.h`."""

    _fields_ = (
        *((name, c_int) for name in ("num_layers", "batch_size", "head", "optimizer")),
        *((name, c_int) for name in ("size", "num_gradients", "gradients", "floats")),
        *((name, c_int) for name in ("targets", "scratch", "numbers", "totals")),
        *((name, c_float) for name in ("momentum", "l1", "l2")),
        ("layers", _Layer * MOST_LAYERS),
        ("count", c_int64),
        *((name, c_void_p) for name in ("inputs", "rows", "targets_of_rows", "order")),
        *((name, c_void_p) for name in ("parameters", "first_moment", "second_moment", "gradients_of_runs")),
        *((name, c_void_p) for name in ("rates", "decays", "sums")),
    )


def described(layout: Layout) -> Pass:
    """Return a pass that knows the layout of a network, and nothing else yet."""
    names = ("size", "num_gradients", "gradients", "floats", "targets", "scratch", "numbers", "totals")
    found = Pass(num_layers=len(layout.layers), **{name: getattr(layout, name) for name in names})
    for place, layer in zip(found.layers, layout.layers, strict=False):
        for name, value in asdict(layer).items():
            setattr(place, name, value)
    return found


class Kernel(Protocol):
    """The kernel, compiled for an activation and a layout."""

    def bind(self, described: Pass, runs: int) -> Callable[[], None]:
        """Return what starts a pass of so many runs, of arrays that stay where they are."""
        ...


Compile = Callable[[str, Layout], Kernel]
"""Compiles the kernel for an activation, by its name in a search space, and a layout."""
