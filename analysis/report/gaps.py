"""What failed or is missing: the experiments of a data set against the search spaces and the launch beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.figures.panels import varied
from analysis.reading.frames import equal, records
from analysis.reading.labels import label
from survey.errors import SurveyError
from survey.output.folder import Output
from survey.output.launch_record import read_record
from survey.text.counting import counted
from survey.workloads.experiment import Experiment

MAX_LISTED = 25
"""Most experiments listed for each kind of gap."""

Labels = Callable[[pd.DataFrame], list[str]]


@dataclass(frozen=True, slots=True)
class Gap:
    """An incomplete experiment.

    Attributes:
        dataset: Name of the task; empty if the workload has none.
        label: Name of the experiment within its task.
        problem: What is wrong with it, in words.
    """

    dataset: str
    label: str
    problem: str


@dataclass(frozen=True, slots=True)
class Gaps:
    """What failed or is missing.

    Attributes:
        runs_missing: Number of missing runs of experiments that the data set has.
        unexplained: Number of experiments of the search spaces without any run, besides those of `left_out`.
        left_out: Number of experiments that the last launch left out: they cannot be trained, or `--limit`.
        diverged: Number of runs whose objective is not finite at the last epoch.
        failures: Numbers of failed runs of the last launch, by reason.
        known: Whether search spaces lie beside the data set; without them missing runs are unknown.
        listed: Experiments with missing or diverged runs, those with most first, then those without any run; at most
            `MAX_LISTED` of each.
    """

    runs_missing: int
    unexplained: int
    left_out: int
    diverged: int
    failures: Mapping[str, int]
    known: bool
    listed: list[Gap]

    @property
    def none(self) -> bool:
        """Whether nothing failed or is missing, as far as known."""
        return not (self.runs_missing or self.unexplained or self.diverged or self.failures)


def gaps(dataset: Path, experiments: pd.DataFrame, labels: Labels | None = None) -> Gaps:
    """Find what failed or is missing.

    Args:
        dataset: Folder of the data set. `search_spaces/`, `survey.json` and `launch.json` of a launch, beside it, are
            read unless missing or damaged.
        experiments: All its experiments, as `analysis.report.condense.experiments` returns them.
        labels: Names some of these experiments; by default as those on networks. Others have no tasks.
    """
    asked = _asked(dataset.parent)
    ids, runs, diverged = (experiments[name].to_numpy() for name in ("experiment_id", "num_runs", "diverged"))
    wanted = np.array([asked[key][1] if key in asked else 0 for key in map(int, ids)], np.int64)
    missing = np.maximum(wanted - runs.astype(np.int64), 0)
    absent = [asked[key][0] for key in asked.keys() - set(map(int, ids))]
    launch = read_record(Output(dataset.parent))
    left_out = min(len(absent), max(0, len(asked) - launch.num_experiments)) if launch else 0
    return Gaps(
        runs_missing=int(missing.sum()),
        unexplained=len(absent) - left_out,
        left_out=left_out,
        diverged=int(diverged.sum()),
        failures=launch.figures.failures if launch else {},
        known=bool(asked),
        listed=[
            *_listed(experiments, missing, labels),
            *([] if left_out else _without(absent, tasks=labels is None)),
        ],
    )


def _listed(experiments: pd.DataFrame, missing: npt.NDArray[np.int64], labels: Labels | None) -> Iterator[Gap]:
    bad = missing + experiments["diverged"].to_numpy(np.int64)
    worst = [place for place in np.argsort(-bad, kind="stable") if bad[place]][:MAX_LISTED]
    found = cast(pd.DataFrame, experiments.take(worst))
    rows = records(found)
    named = _of_networks(experiments, rows) if labels is None else [("", text) for text in labels(found)]
    for row, lacking, (task, text) in zip(rows, missing[worst], named, strict=True):
        problems = [f"{counted(lacking, 'run')} missing"] if lacking else []
        problems += [f"{row['diverged']} of {row['num_runs']} runs diverged"] if row["diverged"] else []
        yield Gap(task, text, ", ".join(problems))


def _of_networks(experiments: pd.DataFrame, rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    names = {name: varied(equal(experiments, "dataset", name)) for name in {row["dataset"] for row in rows}}
    return [(row["dataset"], label(row, names[row["dataset"]])) for row in rows]


def _without(absent: list[Experiment], *, tasks: bool) -> Iterator[Gap]:
    for experiment in sorted(absent, key=lambda each: each.label)[:MAX_LISTED]:
        dataset, _, rest = experiment.label.partition(" ") if tasks else ("", "", experiment.label)
        yield Gap(dataset, rest, "no runs")


def _asked(folder: Path) -> dict[int, tuple[Experiment, int]]:
    """Experiments of the search spaces of an output, with their repetitions, by id."""
    asked: dict[int, tuple[Experiment, int]] = {}
    output = Output(folder)
    try:
        spaces, identity = output.search_spaces.read(), output.identity
    except SurveyError:  # of another version, or damaged
        return {}
    for space in spaces:
        for experiment in space.experiments(identity.contents, training_version=identity.training_version):
            before = asked.get(experiment.experiment_id, (experiment, 0))[1]
            asked[experiment.experiment_id] = experiment, max(before, space.repetitions)
    return asked
