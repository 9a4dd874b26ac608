"""The result of a launch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from survey.dataset.experiments_table import EXPERIMENTS
from survey.dataset.layout import REPETITIONS, partitions
from survey.errors import DONE, INCOMPLETE, INTERRUPTED
from survey.output.folder import Output
from survey.plan.bundles import PlannedBundle
from survey.plan.plan import Plan
from survey.system.gc_pause import collector_paused
from survey.system.import_path import is_own, own_package
from survey.text.counting import counted
from survey.text.html import html_table
from survey.text.terminal import short_path

if TYPE_CHECKING:
    import pandas as pd

    from survey.trials.messages import Failure


@dataclass(frozen=True)
class Training:
    """The result of a launch's trials.

    Attributes:
        num_runs: Runs that they added to the data set.
        failures: Experiments whose training failed, and why.
        loop_seconds: Seconds in which at least one trial was in its epoch loop.
        interrupted: Whether a signal ended the launch.
        out_of_time: Whether its time limit ended it.
    """

    num_runs: int = 0
    failures: tuple[Failure, ...] = ()
    loop_seconds: float = 0.0
    interrupted: bool = False
    out_of_time: bool = False


@dataclass(frozen=True, repr=False)
class SurveyResult:
    """The result of a launch; a notebook shows it as a table.

    Attributes:
        num_experiments: Experiments that the survey asks for, within the size tolerance.
        num_runs: Repetitions of all these experiments.
        num_runs_done: Repetitions in the data set.
        num_runs_trained: Repetitions that this launch added.
        failures: Experiments whose training failed, each with `name` and `error`, the last line of what was raised.
        missing: For each experiment that lacks repetitions: its name, and how many it lacks.
        interrupted: Whether a signal ended the launch.
        out_of_time: Whether its time limit ended it.
        dataset: Folder of the Parquet data set.
        report: The report's page; None if there is nothing to report yet.
        seconds: Seconds from start to end.
        loop_seconds: Seconds in which at least one trial was in its epoch loop.
    """

    num_experiments: int
    num_runs: int
    num_runs_done: int
    num_runs_trained: int
    failures: tuple[Failure, ...]
    missing: tuple[str, ...]
    interrupted: bool
    out_of_time: bool
    dataset: Path
    report: Path | None
    seconds: float
    loop_seconds: float

    @classmethod
    def of(cls, left: Plan, training: Training, dataset: Path, report: Path | None, seconds: float) -> SurveyResult:
        """Summarize a launch that leaves the plan `left` to train."""
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
        """0 if all is done, 1 if runs failed or are missing, 130 if interrupted."""
        if self.interrupted:
            return INTERRUPTED
        return INCOMPLETE if self.failures or self.missing else DONE

    @property
    def cut_short(self) -> str:
        """What ended the launch before all was done, in words; an empty string if nothing did."""
        return "interrupted" if self.interrupted else "the time limit is reached" if self.out_of_time else ""

    @property
    def summary(self) -> pd.DataFrame:
        """The executive summary, a row per experiment, with statistics over its repetitions."""
        with own_package("analysis"):
            from analysis import read

            return read(self.dataset, table="complete_executive_summary")

    def __str__(self) -> str:
        trained = f", {self.num_runs_trained:,} of them now" if self.num_runs_trained else ""
        trained += "" if trained or self.missing else "; nothing left to train"
        return (
            f"{counted(self.num_experiments, 'experiment')}, {self.num_runs_done:,} of "
            f"{counted(self.num_runs, 'run')} done{trained}; took {self._took}"
        )

    def __repr__(self) -> str:
        ended = f"; {self.cut_short}" if self.cut_short else ""
        failed = f"; {counted(len(self.failures), 'failure')}" if self.failures else ""
        return f"<SurveyResult: {self}{ended}{failed}; in {short_path(self.dataset.parent)}>"

    def _repr_html_(self) -> str:
        rows = [
            ("experiments", f"{self.num_experiments:,}"),
            ("runs", f"{self.num_runs:,}"),
            ("  done", f"{self.num_runs_done:,}"),
            ("  of them trained now", f"{self.num_runs_trained:,}"),
            ("took", self._took),
            ("data set", short_path(self.dataset)),
            *([("report", short_path(self.report))] if self.report else []),
        ]
        notes = [*failure_lines(self.failures), *(f"missing: {name}" for name in self.missing)]
        return html_table(rows, [*([self.cut_short] if self.cut_short else []), *notes])

    @property
    def _took(self) -> str:
        took, training = (timedelta(seconds=round(seconds)) for seconds in (self.seconds, self.loop_seconds))
        return f"{took}, {training} of it training"


def failure_lines(failures: Sequence[Failure]) -> Iterator[str]:
    """A line for each reason, that of most experiments first."""
    by_reason: dict[str, list[str]] = {}
    for name, error in failures:
        by_reason.setdefault(error, []).append(name)
    for error, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        many = f"{len(names):,} experiments, such as " if len(names) > 1 else ""
        yield f"failed: {many}{names[0]}: {error}"


def _missing(bundle: PlannedBundle) -> str:
    return f"{bundle.experiment.label}: {len(bundle.repetitions)} of {bundle.num_repetitions} runs"


def import_report() -> None:
    """Import what writes the report, which takes a second."""
    with own_package("analysis"), collector_paused():
        import analysis.report.page  # noqa: F401


def import_report_early() -> None:
    """Do the same while trials train, unless the program has an `analysis` of its own, which it may need then."""
    if is_own("analysis"):
        import_report()


def report_on(output: Output, title: str, *, renew: bool, begins: Callable[[], object] = lambda: None) -> Path | None:
    """Write the report on the data set of an output, and the explorer beside it, whose index is brought up to date.

    Returns the page of the report, or None if there is nothing to report yet.

    Args:
        output: The output.
        title: Heading of the page.
        renew: Whether to rewrite a report that is newer than the data set.
        begins: Called before it is written, not where there is nothing to write.
    """
    page = output.report / "index.html"
    if not renew and _is_newer(page, output.dataset / EXPERIMENTS):
        return page
    if not any(partitions(output.dataset / REPETITIONS)):
        return None
    begins()
    with own_package("analysis"):
        from analysis.report.page import write_pages

        return write_pages(output.dataset, output.report, title=title)


def _is_newer(page: Path, than: Path) -> bool:
    """Whether a page was written after a file, which the end of an export writes; an interruption can come between."""
    return page.exists() and (not than.exists() or page.stat().st_mtime_ns >= than.stat().st_mtime_ns)
