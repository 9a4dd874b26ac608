"""What launches were expected to cost, kept beside what they did cost, in `forecasts.json` of an output folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from survey.files import write_text
from survey.plan import Plan
from survey.price import Price


class Forecast:
    """The forecast of one launch, an entry of the list in the file, which the report reads.

    A launch that is killed leaves its entry without an end.

    Args:
        folder: The output folder.
        plan: What the launch is to train.
        price: What that is expected to cost.
    """

    def __init__(self, folder: Path, plan: Plan, price: Price) -> None:
        self._file, self._plan, self._began_s = folder / "forecasts.json", plan, time.time()
        self._earlier = read_forecasts(folder)
        self._entry: dict[str, Any] = {
            "began": round(self._began_s * 1000),
            "measured": price.measured,
            "num_cpus": price.num_cpus,
            "num_gpus": price.num_gpus,
            "runs": price.runs_to_train,
            "training_s": _seconds(price.training_hours),
            "core_s": _seconds(price.core_hours),
            "wall_s": _seconds(price.wall_hours),
        }
        self._write()

    def end(self, done: Mapping[int, Iterable[int]], *, wall_s: float) -> None:
        """Note what has been trained, by what the data set holds, and what was expected of that part of the plan."""
        runs, training_s = 0, 0.0
        for trial in self._plan.trials:
            trained = len(set(trial.repetitions) & set(done.get(trial.experiment.experiment_id, ())))
            runs += trained
            training_s += trial.training_s * trained / len(trial.repetitions)
        self._entry["end"] = {
            "at": round(time.time() * 1000),
            "wall_s": round(wall_s, 1),
            "runs": runs,
            "training_s_expected": round(training_s, 1),
        }
        self._write()

    def _write(self) -> None:
        write_text(self._file, json.dumps([*self._earlier, self._entry], indent=1))


def read_forecasts(folder: Path) -> list[dict[str, Any]]:
    """The forecasts of a folder; none where the file is missing or damaged, as nothing depends on it."""
    try:
        found = json.loads((folder / "forecasts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _seconds(hours: Any) -> list[float]:
    return [round(3600 * value, 1) for value in (hours.estimate, hours.low, hours.high)]
