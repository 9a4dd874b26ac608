"""A launch renews the report where the data set has changed, also by a launch that was interrupted before that."""

from __future__ import annotations

from pathlib import Path

import pytest

from survey.launch import result
from tests.support.export_data import EXPERIMENTS, Survey


@pytest.fixture
def written(monkeypatch) -> list[Path]:
    """The reports that are written, of which only the file is made here."""
    pages: list[Path] = []

    def write_pages(dataset: Path, out: Path, title: str) -> Path:
        out.mkdir(exist_ok=True)
        pages.append(out / "index.html")
        pages[-1].write_text(title)
        return pages[-1]

    monkeypatch.setattr("analysis.report.page.write_pages", write_pages)
    return pages


def test_a_report_that_is_older_than_the_data_set_is_renewed(survey: Survey, written):
    began = []

    def report_on(*arguments, **options):
        return result.report_on(*arguments, **options, begins=lambda: began.append(arguments[1]))

    assert report_on(survey.output, "alpha", renew=False) is None, "there is nothing to report yet"
    survey.train(EXPERIMENTS[0])
    survey.export()
    assert report_on(survey.output, "first", renew=False) == survey.output.report / "index.html"
    assert report_on(survey.output, "the same", renew=False) == written[0]
    survey.export()
    assert report_on(survey.output, "the same", renew=False) == written[0]
    assert written[0].read_text() == "first"
    survey.train(EXPERIMENTS[1])
    survey.export()  # and here the launch was interrupted
    assert report_on(survey.output, "second", renew=False) == written[0]
    assert written[0].read_text() == "second"
    report_on(survey.output, "third", renew=True)
    assert written[0].read_text() == "third"
    assert began == ["first", "second", "third"], "a launch says so only where there is something to write"
