"""What a launch has come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from survey.dataset.layout import REPETITIONS, partitions
from survey.errors import DONE, INCOMPLETE, INTERRUPTED
from survey.output.folder import Output
from survey.plan.bundles import PlannedBundle
from survey.plan.plan import Plan
from survey.system.import_path import own_package

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Training:
    """What the trials of a launch have come to.

    Attributes:
        num_runs: Runs that they have added to the data set.
        failures: For each trial that failed: its name, and the last line of its error.
        loop_seconds: Seconds in which at least one trial was in its epoch loop.
        interrupted: Whether a signal ended the launch.
        out_of_time: Whether its time limit did.
    """

    num_runs: int = 0
    failures: tuple[str, ...] = ()
    loop_seconds: float = 0.0
    interrupted: bool = False
    out_of_time: bool = False


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

    @classmethod
    def of(cls, left: Plan, training: Training, dataset: Path, report: Path | None, seconds: float) -> SurveyResult:
        """Sum up a launch, which leaves the plan `left` still to be trained."""
        return cls(
            num_experiments=left.num_experiments,
            num_runs=left.num_runs,
            num_runs_done=left.num_runs_done,
            num_runs_trained=training.num_runs,
            failures=training.failures,
            missing=tuple(_missing(bundle) for bundle in left.bundles),
            interrupted=training.interrupted,
            out_of_time=training.out_of_time,
            dataset=dataset,
            report=report,
            seconds=seconds,
            loop_seconds=training.loop_seconds,
        )

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


def _missing(bundle: PlannedBundle) -> str:
    return f"{bundle.experiment.label}: {len(bundle.repetitions)} of {bundle.num_repetitions} runs"


def write_report(output: Output, title: str, *, renew: bool) -> Path | None:
    """Write the report on the data set of an output; return its page, or None where nothing is to be reported yet.

    Args:
        output: The output.
        title: Heading of the page.
        renew: Write it again where there is one.
    """
    page = output.report / "index.html"
    if page.exists() and not renew:
        return page
    if not any(partitions(output.dataset / REPETITIONS)):
        return None
    with own_package("analysis"):
        from analysis.report.page import write_report

        return write_report(output.dataset, output.report, title=title)
