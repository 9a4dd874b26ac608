"""What launches were expected to cost, kept beside what they did cost, in `forecasts.json` of an output folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, FiniteFloat

from survey.plan.plan import Plan
from survey.plan.price import Price, Range
from survey.system.files import write_text
from survey.text.json_files import Count, Seconds, read_json


@dataclass(frozen=True, slots=True)
class Ended:
    """What a launch has come to.

    Attributes:
        at: When, in milliseconds since 1970.
        wall_s: Seconds from its start to its end, without its pilot.
        runs: Runs that it has trained.
        training_s_expected: What was expected of them; None where nothing was.
    """

    at: Annotated[int, Field(ge=0, le=10**14)]
    wall_s: Seconds
    runs: Count
    training_s_expected: Seconds | None


Expected = tuple[Seconds, Seconds, Seconds] | None
"""An expected time, and the least and most of it; None where nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a launch was expected to cost: times are in seconds, as an estimate and the least and most of it.

    Nothing is expected of the time of a user's own function, unless a pilot has measured it.

    Attributes:
        began: When it began, in milliseconds since 1970.
        measured: Whether a pilot had measured the machine.
        num_cpus: Cores.
        num_gpus: GPUs.
        runs: Runs that it was to train.
        training_s: Time in training, summed over trials.
        core_s: Time of cores.
        wall_s: From start to end.
        end: What it has come to; None where it was killed.
    """

    began: Annotated[int, Field(ge=0, le=10**14)]
    measured: bool
    num_cpus: Count
    num_gpus: FiniteFloat
    runs: Count
    training_s: Expected
    core_s: Expected
    wall_s: Expected
    end: Ended | None = None


class Forecast:
    """The forecast of one launch, an entry of the list in the file, which the report reads.

    A launch that is killed leaves its entry without an end.

    Args:
        folder: The output folder.
        plan: What the launch is to train.
        price: What that is expected to cost.
    """

    def __init__(self, folder: Path, plan: Plan, price: Price) -> None:
        self._file, self._plan = folder / "forecasts.json", plan
        self._earlier = read_forecasts(folder)
        self._entry = Entry(
            began=round(time.time() * 1000),
            measured=price.measured,
            num_cpus=price.num_cpus,
            num_gpus=price.num_gpus,
            runs=price.runs_to_train,
            training_s=_seconds(price.training_hours),
            core_s=_seconds(price.core_hours),
            wall_s=_seconds(price.wall_hours),
        )
        self._write()

    def end(self, done: Mapping[int, Iterable[int]], *, wall_s: float) -> None:
        """Note what has been trained, by what the data set holds, and what was expected of that part of the plan."""
        runs, training_s = 0, 0.0
        for bundle in self._plan.bundles:
            trained = len(set(bundle.repetitions) & set(done.get(bundle.experiment.experiment_id, ())))
            runs += trained
            training_s += bundle.training_s * trained / len(bundle.repetitions)
        expected = round(training_s, 1) if self._entry.training_s else None
        end = Ended(round(time.time() * 1000), round(wall_s, 1), runs, expected)
        self._entry = replace(self._entry, end=end)
        self._write()

    def _write(self) -> None:
        entries = [asdict(entry) for entry in (*self._earlier, self._entry)]
        write_text(self._file, json.dumps(entries, indent=1))


def read_forecasts(folder: Path) -> list[Entry]:
    """The forecasts of a folder; none where the file is missing or damaged, as nothing depends on it."""
    try:
        return read_json(folder / "forecasts.json", list[Entry])
    except (OSError, ValueError):
        return []


def _seconds(hours: Range) -> Expected:
    if not hours.is_known:
        return None
    return round(3600 * hours.estimate, 1), round(3600 * hours.low, 1), round(3600 * hours.high, 1)
