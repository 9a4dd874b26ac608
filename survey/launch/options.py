"""How a survey is launched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from pathlib import Path
from typing import Literal

from survey.errors import InputError
from survey.plan.gpu_sharing import MOST_PACKED
from survey.workloads.limits import MOST_REPETITIONS


class Epochs(StrEnum):
    """Which epochs go to MLflow."""

    AUTO = "auto"
    ALL = "all"
    LOG = "log"


class Runs(StrEnum):
    """What gets its own MLflow run."""

    AUTO = "auto"
    EXPERIMENT = "experiment"
    REPETITION = "repetition"


_RANGES = {
    "num_cpus": (1, math.inf),
    "num_gpus": (0, 10**6),
    "pack": (1, MOST_PACKED),
    "repetitions": (1, MOST_REPETITIONS),
    "limit": (1, math.inf),
}
_KINDS = {
    **dict.fromkeys(("num_cpus", "pack", "repetitions", "limit"), (Integral, "a whole number")),
    **dict.fromkeys(("num_gpus", "gpus_per_trial", "time_limit_s"), (Real, "a number")),
    **dict.fromkeys(("address", "tracking_uri", "artifacts", "redo"), (str, "a string")),
    "out": (str | Path, "a string or a path"),
}
_WORDS = {"mlflow_epochs": Epochs, "mlflow_runs": Runs}


@dataclass(frozen=True)
class Options:
    """How a survey is launched; `survey.run` and `survey launch --help` say what each is.

    Attributes:
        gpus_per_trial: Fraction of a GPU for each trial; `auto` finds it from the trial's memory.
        pack: Experiments of a trial on a GPU; `auto` packs as many as a pilot finds to pay.
        time_limit_s: Seconds after which to stop cleanly; None for no limit.
        pilot: First train a few epochs of some trials, to estimate the cost of all.
        keep_states: Keep each run's last state, from which an experiment of more epochs goes on.
        redo: Which experiments to train again, as `NAME=VALUE[,NAME=VALUE...]`; None for none.

    Raises:
        InputError: A value has the wrong type, is out of range, or is not one of the expected words.
    """

    out: str | Path | None = None
    address: str | None = None
    num_cpus: int | None = None
    num_gpus: float | None = None
    gpus_per_trial: float | Literal["auto"] = "auto"
    pack: int | Literal["auto"] = "auto"
    tracking_uri: str | None = None
    artifacts: str | None = None
    mlflow_epochs: str = "auto"
    mlflow_runs: str = "auto"
    repetitions: int | None = None
    limit: int | None = None
    time_limit_s: float | None = None
    pilot: bool = False
    redo: str | None = None
    prune_artifacts: bool = False
    keep_states: bool = False
    ui: bool = True

    def __post_init__(self) -> None:
        for name, (kind, expected) in _KINDS.items():
            value = getattr(self, name)
            if not _is_default(name, value) and (not isinstance(value, kind) or isinstance(value, bool)):
                raise InputError(f"{name}: expected {expected}, found {value!r}")
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not _is_default(name, value) and not least <= value <= most:
                expected = f"{least} or more" if most == math.inf else f"a number from {least:,} to {most:,}"
                raise InputError(f"{name}: expected {expected}, found {value!r}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in list(words):
                raise InputError(f"{name}: expected one of {', '.join(words)}, found {getattr(self, name)!r}")
        if self.gpus_per_trial != "auto" and not 0 < self.gpus_per_trial <= 1:
            raise InputError(f"gpus_per_trial: expected a number above 0 and up to 1, found {self.gpus_per_trial!r}")
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise InputError(f"time_limit_s: expected a number above 0, found {self.time_limit_s!r}")


def _is_default(name: str, value: object) -> bool:
    return value is None or (name in ("gpus_per_trial", "pack") and value == "auto")
