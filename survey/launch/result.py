"""What a launch has come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import DONE, INCOMPLETE, INTERRUPTED
from survey.system.import_path import own_package

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SurveyResult:
    """What a launch has come to.

    Attributes:
        num_experiments: Experiments that the survey asks for, within the size tolerance.
        num_runs: Repetitions that it asks for.
        num_runs_done: Those that the data set holds.
        num_runs_trained: Those that this launch has added.
        failures: For each trial that failed: its name, and the last line of its error.
        missing: Names of the experiments that lack repetitions, with how many.
        interrupted: Whether a signal ended the launch.
        out_of_time: Whether its time limit did.
        dataset: Folder of the Parquet data set.
        report: The report, or None where there is nothing to report yet.
        seconds: Time from launch to here.
        loop_seconds: Those of them in which at least one trial was in its epoch loop.
    """

    num_experiments: int
    num_runs: int
    num_runs_done: int
    num_runs_trained: int
    failures: tuple[str, ...]
    missing: tuple[str, ...]
    interrupted: bool
    out_of_time: bool
    dataset: Path
    report: Path | None
    seconds: float
    loop_seconds: float

    @property
    def exit_status(self) -> int:
        """0 all done, 1 runs failed or are missing, 130 interrupted."""
        if self.interrupted:
            return INTERRUPTED
        return INCOMPLETE if self.failures or self.missing else DONE

    @property
    def summary(self) -> pd.DataFrame:
        """The executive summary: a row per experiment, with statistics over its repetitions."""
        with own_package("analysis"):
            from analysis import read

            return read(self.dataset, table="complete_executive_summary")
