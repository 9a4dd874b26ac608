"""How a survey is launched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How a survey is launched; `survey.run` and `python -m survey.launch --help` say what each is.

    Attributes:
        gpus_per_trial: Fraction of a GPU for each trial; None finds it from the trial's memory.
        pack: Experiments of a trial on a GPU; None joins as many as a pilot finds to pay.
        time_limit_s: Seconds after which to stop in good order; None for no limit.
        pilot: Train a few epochs of some trials first, to know what all of them cost.
        redo: Which experiments to train anew, as `NAME=VALUE[,NAME=VALUE...]`; None for none.
    """

    out: Path | None = None
    address: str | None = None
    num_cpus: int | None = None
    num_gpus: float | None = None
    gpus_per_trial: float | None = None
    pack: int | None = None
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
    ui: bool = True
