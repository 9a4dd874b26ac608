"""Reports on surveys of many kinds: their texts can be read, their numbers agree, and they say first what was found."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.report.condense import experiments
from analysis.report.findings import findings
from analysis.report.gaps import Gaps
from analysis.report.page import write_report
from analysis.report.told import Told, told
from tests.support.analysis_data import bowl, experiment, grid, write_data_set
from tests.support.figure_texts import unreadable
from tests.support.workload_data import MADE, hills, write_workload

pytestmark = pytest.mark.usefixtures("made_is_installed")


def one_experiment(folder: Path) -> Path:
    return write_data_set(folder, grid()[:1], repetitions=5)


def one_axis(folder: Path) -> Path:
    return write_data_set(folder, grid()[:5], repetitions=30)


def two_tasks(folder: Path) -> Path:
    """Digits by shape, depth and size; houses by rate and size, far from their minimum in most of the map."""
    rates = [
        experiment(
            "537_houses", "rectangle", 3, size, steep(0.01 * factor), task="regression", learning_rate=rate, epochs=40
        )
        for rate, factor in ((1e-4, 3.0), (1e-3, 1.0), (1e-2, 2.0))
        for size in (300, 1000, 5000)
    ]
    return write_data_set(folder, [*grid(), *rates], repetitions=5)


def some_never_finite(folder: Path) -> Path:
    def never(size: int, epochs: np.ndarray) -> np.ndarray:
        return np.full(len(epochs), np.nan)

    def later(size: int, epochs: np.ndarray) -> np.ndarray:
        return np.where(epochs < 30, bowl(0.2, 10, 20)(size, epochs), np.nan)

    shapes = ("rectangle", "trapezoid", "exponential")
    kinds = [(shape, surface) for shape, surface in zip(shapes, (bowl(0.1, 9, 20), later, never), strict=True)]
    return write_data_set(
        folder, [experiment("nursery", shape, 2, size, surface) for shape, surface in kinds for size in (256, 1024)]
    )


def steep(floor: float) -> Any:
    return lambda size, epochs: floor * (1 + 400 / epochs) * bowl(1.0, 10, 20)(size, epochs)


def functions(folder: Path) -> Path:
    kinds = ["plain", "a kind of a name that is longer than most are", None]
    return write_workload(
        folder, MADE, hills(rates=[0.001, 1, 2, 1000], count=[1, 3, 5], kind=kinds, flag=[False, True])
    )


def one_call(folder: Path) -> Path:
    return write_workload(folder, MADE, hills(rates=[1.0]))


KINDS = (one_experiment, one_axis, two_tasks, some_never_finite, functions, one_call)


@pytest.fixture
def problems(monkeypatch) -> list[str]:
    """What cannot be read in the figures that are drawn from now on, none of which is written."""
    found: list[str] = []

    def look(figure) -> bytes:
        name = next((axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()), "figure")
        found.extend(f"{name}: {problem}" for problem in unreadable(figure))
        return b""

    monkeypatch.setattr("analysis.figures.pictures.png", look)
    return found


@pytest.mark.scale
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_all_texts_can_be_read_and_numbers_agree(kind, problems: list[str], tmp_path: Path) -> None:
    page = html.unescape(write_report(kind(tmp_path / "dataset"), tmp_path / "report").read_text())
    assert problems == []
    found = sentences(page)
    assert page.index('id="found"') < page.index('id="surveyed"') < page.index('id="load"')
    assert found[0].startswith("The best median ")
    assert found[1].startswith("What matters most for the ")
    assert found[2].startswith("This rests on ")
    (runs,) = re.findall(r"<dt>Runs</dt><dd>([\d,]+) ", page)
    assert f"This rests on {runs} run" in found[2]
    for value, setting in re.findall(r"([\d.]+)(?: on \S+)?, of ([^;]*?) \(", found[0]):
        assert value in best_values(page), setting
    for share in re.findall(r"\(([\d.]+ %) of its variance", found[1]):
        assert re.search(rf"Bars of shares of the variance of [^\"]*{re.escape(share)}", page)


def sentences(page: str) -> list[str]:
    part = page.split('<section id="found">')[1].split("</ul>")[0]
    return re.findall(r"<li>(.*?)</li>", part)


def best_values(page: str) -> Iterable[str]:
    """The cells of the tables of best experiments."""
    tables = re.findall(r'aria-label="Best experiments[^"]*">(.*?)</table>', page, flags=re.DOTALL)
    return {cell for table in tables for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)}


@pytest.mark.usefixtures("problems")
def test_what_was_found_is_said_in_three_sentences(tmp_path: Path) -> None:
    """Without a task, with one run each, with gaps; a report on two tasks is in `test_all_texts_can_be_read`."""
    dataset = write_workload(tmp_path / "dataset", MADE, hills(rates=[1.0, 2.0], count=[1, 3, 5]))
    rows, gaps = experiments(dataset), Gaps(2, 1, 0, 3, {"no memory": 4}, True, [])
    best, matters, rests_on = found = findings([told_of(dataset)], rows, gaps).sentences
    assert best == (
        "The best median height is 10.00, of rate 2, count 3 (better than each of 5 others), at 95 % confidence."
    )
    assert re.fullmatch(r"What matters most for the height is count \(\d\d % of its variance; .* %.*\)\.", matters)
    assert rests_on == (
        "This rests on 18 runs of 6 experiments; 2 runs and 1 whole experiment are missing, 3 diverged, "
        "and 4 failed in the last launch."
    )
    shutil.rmtree(dataset / "all_repetitions")
    complete = Gaps(0, 0, 0, 0, {}, True, [])
    unknown = findings([told_of(dataset)] * 5, rows, complete).sentences
    assert "as the data set has no runs with these values" in unknown[0]
    assert unknown[0].endswith("; 2 more tasks below.")
    assert unknown[1] == "What matters most for the height cannot be told from these runs."
    assert unknown[2] == "This rests on 18 runs of 6 experiments; none is missing, and none diverged."
    assert findings([], rows, complete).sentences == [unknown[2]]
    assert len(found) == 3


def told_of(dataset: Path) -> Told:
    return told(dataset, experiments(dataset), MADE, lambda row: f"rate {row['rate']:g}, count {row['count']}")


def test_unreadable_texts_are_found() -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 2))
    figure.text(0.9, 0.5, "beyond the edge")
    figure.text(0.1, 0.2, "one")
    figure.text(0.12, 0.2, "other")
    assert unreadable(figure) == ["'beyond the edge' is clipped", "'one' is over 'other'"]
