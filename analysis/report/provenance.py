"""How the runs of a data set were made: versions, machines, seeds and time, gathered in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.reading.tables import read_batches, schema_of

_VERSIONS = {"python": "Python", "torch": "PyTorch", "tensorflow": "TensorFlow", "ray": "Ray", "mlflow": "MLflow"}
_NAMED = (*(f"{name}_version" for name in _VERSIONS), "platform", "git_hash", "hostname", "device")
_NUMBERS = ("seed", "start_time", "update_time", "train_seconds")
_ROWS = 100_000
"""Runs in memory at once, without their curves."""


def provenance(dataset: Path) -> list[tuple[str, str]]:
    """Describe how the runs were made, as far as their table says, as pairs of a term and its description.

    Hosts are counted, not named, so that a report can be shared; the data have their names.

    Raises:
        InputError: The data set has no table of runs.
        ExportError: A file of the data set is damaged.
    """
    known = set(schema_of(dataset, "all_repetitions").names)
    runs = _Runs()
    columns = [name for name in (*_NAMED, *_NUMBERS) if name in known]
    for part in read_batches(dataset, table="all_repetitions", columns=columns, rows=_ROWS):
        runs.add(part)
    versions = [f"{word} {runs.named(f'{name}_version')}" for name, word in _VERSIONS.items()]
    hosts = len(runs.values.get("hostname", ()))
    facts = [
        ("Trained", runs.dates),
        ("Software", " · ".join(text for text in versions if not text.endswith(" "))),
        ("Source", runs.named("git_hash")),
        ("Devices", runs.named("device")),
        ("Hosts", f"{hosts} ({runs.named('platform')})" if hosts else ""),
        ("Seeds", runs.seeds_text),
        ("Time in training", _hours(runs.seconds) if "train_seconds" in known else ""),
    ]
    return [(term, text) for term, text in facts if text]


@dataclass
class _Runs:
    values: dict[str, set[str]] = field(default_factory=dict)
    seeds: list[np.ndarray] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, part: pd.DataFrame) -> None:
        for name in (name for name in _NAMED if name in part):
            self.values.setdefault(name, set()).update(map(str, part[name].dropna().unique()))
        if "seed" in part:
            self.seeds.append(part["seed"].dropna().to_numpy(np.int64))
        if "train_seconds" in part:
            self.seconds += float(np.nansum(part["train_seconds"].to_numpy(float)))
        for name, kept, extreme in (("start_time", self.first, min), ("update_time", self.last, max)):
            times = part[name].dropna() if name in part else ()
            kept.extend([int(extreme(times))] if len(times) else [])

    def named(self, name: str) -> str:
        """Distinct values of a column, at most six of them."""
        found = sorted(self.values.get(name, ()))
        return ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")

    @property
    def dates(self) -> str:
        if not (self.first and self.last):
            return ""
        return " to ".join(_utc(ms) for ms in (min(self.first), max(self.last))) + " UTC"

    @property
    def seeds_text(self) -> str:
        """The number of distinct seeds: repetitions with equal seeds would not be independent."""
        seeds = np.concatenate(self.seeds) if self.seeds else np.empty(0, np.int64)
        if not seeds.size:
            return ""
        distinct = len(np.unique(seeds))
        one = "one for each run" if distinct == seeds.size else f"for {seeds.size:,} runs"
        return f"{distinct:,} distinct, {one} (column seed)"


def _utc(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"


def _hours(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}, summed over runs"
    return f"{seconds:.1f} seconds, summed over runs"
