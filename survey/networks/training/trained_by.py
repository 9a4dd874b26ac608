"""Which cores have trained some runs: this one, the compiled one, or both by turns."""

from __future__ import annotations

TORCH = "torch"
"""Name of the core in PyTorch; the units of the compiled one have the names of their instruction sets."""


class TrainedBy:
    """The cores that have trained the runs of an experiment.

    A run can be continued by another core than it was begun by, as on another machine: from then on it differs by
    rounding from one that one core has trained.

    Attributes:
        cores: Their names, in the order in which they began.
        columns: The column of the data set that says it, empty before.
    """

    def __init__(self) -> None:
        self.cores: list[str] = []
        self.columns: dict[str, str] = {}

    def add(self, *cores: str) -> None:
        """Note that these have trained the runs, those of a saved state before the one that goes on."""
        for core in cores:
            if core not in self.cores:
                self.cores.append(core)
        self.columns["core"] = ", ".join(self.cores)
