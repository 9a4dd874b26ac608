"""The compiled library: found, checked, and called. It is there where a compiler was when the package was installed.

Plans ask what it can do, so nothing here imports PyTorch.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from ctypes import POINTER, Structure, c_float, c_int32, c_int64, c_void_p
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

INTERFACE_VERSION = 2
"""That of `interface.h`: a library that was built from other sources is not used."""

MOST_LAYERS = 64
"""Layers of a network, at most."""

INSTRUCTION_SETS = ("avx512", "avx2", "neon")
"""Names of the units of the library, best first."""


class Experiment(Structure):
    """What all runs of an experiment have in common, see `interface.h`."""

    _fields_ = (
        *((name, c_int32) for name in ("num_inputs", "num_layers", "batch_size", "evaluation_rows")),
        *((name, c_int32) for name in ("activation", "head", "optimizer", "drop_threshold")),
        *((name, c_float) for name in ("l1", "l2", "gradient_clip", "momentum")),
        ("widths", c_int32 * MOST_LAYERS),
        ("adds_input", c_int32 * MOST_LAYERS),
    )


class Rows(Structure):
    """A set of rows of all runs, see `interface.h`."""

    _fields_ = (
        ("inputs", c_void_p),
        ("count", c_int64),
        ("numbers", c_void_p),
        ("targets", c_void_p),
        ("order", c_void_p),
    )


class States(Structure):
    """The states of all runs, see `interface.h`."""

    _fields_ = (
        ("runs", c_int64),
        ("size", c_int64),
        ("parameters", c_void_p),
        ("first_moment", c_void_p),
        ("second_moment", c_void_p),
    )


class Updates(Structure):
    """The updates of an epoch, see `interface.h`."""

    _fields_ = (("rates", c_void_p), ("decays", c_void_p), ("dropout_keys", c_void_p))


class Unit:
    """The core, compiled for one instruction set.

    Args:
        library: The loaded library.
        name: One of `INSTRUCTION_SETS`.

    Attributes:
        name: The same.
    """

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self.name = name
        self._orders_scratch, self._draw_orders = library.orders_scratch, library.draw_orders
        self._orders_scratch.argtypes, self._orders_scratch.restype = (c_int64,), c_int64
        self._draw_orders.argtypes = (c_void_p, c_int64, c_int64, c_void_p, c_void_p)
        self._draw_orders.restype = None
        self._memory, self._pass = library[f"{name}_memory"], library[f"{name}_pass"]
        self._memory.argtypes, self._memory.restype = (POINTER(Experiment),), c_int64
        structures = (POINTER(each) for each in (Experiment, Rows, States, Updates))
        self._pass.argtypes, self._pass.restype = (*structures, c_void_p, c_void_p, c_void_p), None

    def memory(self, experiment: Experiment) -> int:
        """Return how much memory `run` needs beside the states of the runs: so many float32."""
        return self._memory(experiment)

    def orders_scratch(self, count: int) -> int:
        """Return how much memory `draw_orders` needs for orders of so many rows: so many int64."""
        return self._orders_scratch(count)

    def draw_orders(self, runs: int, count: int, places: tuple[int, int, int]) -> None:
        """Draw what `survey.networks.training.streams.orders` does.

        Args:
            runs: Number of runs.
            count: Rows of each.
            places: Addresses of the keys of the runs, int64 [runs]; of the scratch; and of the orders, int64
                [runs, count].
        """
        keys, *others = places
        self._draw_orders(keys, runs, count, *others)

    def run(
        self, experiment: Experiment, rows: Rows, states: States, updates: Updates | None, places: tuple[int, int, int]
    ) -> None:
        """Train all runs for an epoch, or evaluate them on the rows where there are no updates.

        Args:
            experiment: What the runs have in common.
            rows: The rows.
            states: The states of the runs, which change.
            updates: How.
            places: Addresses of the memory, zeros before its first use, at a multiple of 64; of float64 [runs, 10], to
                which the sums over the rows are added, see `survey.networks.training.statistics`; and of float64
                [runs], for the sums of the penalties over the rows.
        """
        self._pass(experiment, rows, states, updates, *places)


@cache
def units() -> tuple[Unit, ...]:
    """Return the units that this processor can execute, best first; none where no library was built."""
    library = _loaded()
    if library is None:
        return ()
    return tuple(Unit(library, name) for name in INSTRUCTION_SETS if _supports(library, name))


def is_built() -> bool:
    """Whether there is a library of these sources, for whatever processor."""
    return _loaded() is not None


def _loaded() -> ctypes.CDLL | None:
    """Load the library beside this file, if it is there and was built from these sources."""
    paths = (Path(__file__).with_name(f"_core{suffix}") for suffix in EXTENSION_SUFFIXES)
    for path in filter(Path.is_file, paths):
        with suppress(OSError):  # of another system
            library = ctypes.CDLL(str(path))
            if library.interface_version() == INTERFACE_VERSION:
                return library
    return None


def _supports(library: ctypes.CDLL, name: str) -> bool:
    """Whether the processor can execute a unit, and the library has it."""
    supports = getattr(library, f"supports_{name}", None)
    return supports is not None and bool(supports())
