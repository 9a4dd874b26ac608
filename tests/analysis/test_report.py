"""The report: what is in it, what it needs, how it is written, and that it works in a browser."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import read, read_batches
from analysis.figures.panels import panels, representative
from analysis.reading.labels import label
from analysis.report.__main__ import command as report_command
from analysis.report.condense import curves_of, experiments, tallied
from analysis.report.facts import lines, widths_text
from analysis.report.gaps import gaps
from analysis.report.page import write_report
from analysis.report.provenance import provenance
from survey.errors import InputError, OutputError
from survey.output.launch_record import LaunchRecord
from survey.output.progress import Figures
from tests.support.analysis_data import DIGITS, SIZES, grid, mixed_data_set, write_data_set
from tests.support.commands import run_here
from tests.support.paths import ROOT
from tests.support.surveyed import surveyed


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_data_set(tmp_path_factory.mktemp("survey") / "dataset")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two experiments, whose report is drawn soon."""
    return write_data_set(tmp_path_factory.mktemp("small") / "dataset", grid()[:2])


@pytest.fixture(scope="module")
def report(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on the data set, in a folder that was not there before."""
    return write_report(dataset, tmp_path_factory.mktemp("reports") / "new" / "report")


# The report


def test_networks_of_given_widths_are_named_by_them():
    row = {"shape": "widths", "depth": 3, "size": 139, "learning_rate": 0.01}
    assert label({**row, "widths": np.array([8, 16, 3])}, ["learning_rate"]) == "widths 8-16, learning rate 0.01"
    assert label({**row, "widths": np.array([3])}, []) == "widths linear"
    assert label({**row, "shape": "rectangle", "widths": np.array([8, 8, 3])}, []) == "rectangle d3 139"


def test_lines_of_the_table(dataset: Path) -> None:
    digits = tallied(read(dataset, filters=[("dataset", "=", DIGITS)]), "test_loss")
    found = {line.label: line for line in lines(digits)}
    assert len(found) == 20
    best = found["rectangle d2 2^10"]
    assert (best.parameters, best.widths, best.repetitions, best.epoch) == (1024, "11, 10", 3, 20)
    assert best.loss == pytest.approx(0.1)
    assert best.final_loss == pytest.approx(0.1 * (1 + 0.5 * np.log10(3) ** 2))
    assert best.accuracy == pytest.approx(1 / 1.1)
    assert widths_text([64, 64, 64, 10]) == "64×3, 10"
    assert [line.label for line in lines(digits, 2)] == ["rectangle d2 2^10", "rectangle d2 2^9"]
    assert widths_text([64, 64, 10]) == "64, 64, 10"


def test_the_report_is_whole_and_needs_nothing_else(report: Path) -> None:
    page = report.read_text()
    assert report.parts[-3:] == ("new", "report", "index.html")
    assert [file.name for file in report.parent.iterdir()] == ["index.html"]
    for name in (DIGITS, "537_houses", "nursery"):
        assert f"<h2>{name}</h2>" in page
    num_figures = len(re.findall(r"<figure ", page))
    assert page.count("<img ") == page.count('src="data:image/png;base64,') == page.count('alt="') == num_figures
    for title in ("Butter zones of all tasks, by depth", "Variation between repetitions, by depth"):
        assert f"<h3>{title}</h3>" in page
    assert not [link for link in re.findall(r'(?:src|href)="([^"]*)"', page) if not link.startswith(("data:", "#"))]
    assert "http:" not in page
    assert "https:" not in page
    best, may_be_best = 5 + 5 + 2, 4 + 2 + 12
    assert page.count("<tr><td>rectangle") + page.count("<tr><td>trapezoid") == best + may_be_best
    assert page.count("<h3>What may be the best of ") == page.count("<h3>What matters for the test loss of ") == 3
    assert "No fit of θ for any: there are too few points." in page
    for fact in (
        "depth_sweep (27)",
        "81 (3 per experiment)",
        "4,860 (60 per run)",
        "PyTorch 2.11.0",
        "2 (Linux-x86_64)",
    ):
        assert fact in page
    assert "2025-10-09 08:53 to 2025-10-09 08:56 UTC" in page


@pytest.mark.usefixtures("without_figures")
def test_a_report_says_how_many_experiments_it_left_out(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.page.MAX_ROWS", 7)
    page = write_report(dataset, tmp_path, title="A <title> & more").read_text()
    assert "The best 6 of 27 experiments are listed, as many of each task; the other 21 are in the data set." in page
    assert "<h1>A &lt;title&gt; &amp; more</h1>" in page


def test_a_report_needs_experiments(tmp_path: Path) -> None:
    path = write_data_set(tmp_path / "dataset", grid()[:1])
    shutil.rmtree(path / "complete_summary" / f"dataset={DIGITS.replace(':', '%3A')}")
    with pytest.raises(InputError, match="no experiments"):
        write_report(path, tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.usefixtures("without_figures")
def test_a_report_without_its_runs(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small / "complete_summary", tmp_path / "dataset" / "complete_summary")
    page = write_report(tmp_path / "dataset", tmp_path / "report").read_text()
    assert "PyTorch" not in page


@pytest.mark.usefixtures("without_figures")
def test_a_report_that_cannot_be_written(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(small, tmp_path / "file")


def test_the_command_gives_the_same_bytes_wherever_the_data_set_lies(small: Path, tmp_path: Path) -> None:
    """In a process of its own, and in this one; there beside the data set, as nothing else is asked for."""
    command = [sys.executable, "-m", "analysis.report", small, "--out", tmp_path / "report", "--title", "Mine"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "report" / "index.html").read_bytes()
    assert b"the test loss is least, of these medians, at epoch " in page
    assert b"<title>Mine</title>" in page
    assert str(tmp_path / "report" / "index.html") in done.stdout
    shutil.copytree(small, tmp_path / "elsewhere" / "dataset")
    assert run_here(report_command, tmp_path / "elsewhere" / "dataset", "--title", "Mine").returncode == 0
    assert (tmp_path / "elsewhere" / "report" / "index.html").read_bytes() == page


def test_the_command_given_a_bad_folder(tmp_path: Path) -> None:
    done = run_here(report_command, tmp_path, "--out", tmp_path / "report")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "not a data set" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.browser
@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")), reason="chromium or chromedriver is absent"
)
def test_the_report_in_a_browser(report: Path, tmp_path: Path) -> None:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    flags = ("--no-sandbox", "--headless", "--disable-background-networking", "--disable-gpu")
    for flag in (*flags, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    try:
        for width in (1280, 390):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(report.as_uri())
            assert driver.execute_script("return innerWidth") == width
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            widths = driver.execute_script("return [...document.images].map((image) => image.naturalWidth)")
            assert len(widths) >= 9
            assert min(widths) > 600
        # The first key leads to a link past the navigation; code is copied, or at least selected, by keyboard.
        driver.execute_script("document.activeElement.blur()")
        driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
        assert driver.switch_to.active_element.text == "Skip to the figures"
        copy = driver.find_element(By.CSS_SELECTOR, ".copy button")
        copy.send_keys(Keys.ENTER)
        WebDriverWait(driver, 5).until(lambda _: copy.text.startswith(("Copied", "Selected")))
        pdf = driver.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})["data"]
        assert base64.b64decode(pdf).startswith(b"%PDF")
        # The long table sorts by keyboard.
        button = driver.find_element(By.XPATH, "//table[contains(@class,'sortable')]//button[.='Test loss']")
        button.send_keys(Keys.ENTER)
        row = driver.find_element(By.CSS_SELECTOR, "table.sortable tbody tr").text
        assert row.startswith("537_houses rectangle d3 2^9")
        assert not driver.get_log("browser")
    finally:
        driver.quit()


# Very many experiments


def test_condensed_curves() -> None:
    frame = pd.DataFrame(
        {
            "num_runs": [3, 2, 2],
            "num": [np.array([3, 3, 1]), None, np.array([2])],
            "test_loss_num_finite": [np.array([3, 3, 1]), None, np.array([0.0])],
            "test_loss_median": [np.array([2, np.nan, 1], np.float32), None, np.array([np.inf], np.float32)],
        }
    )
    found = tallied(frame, "test_loss")
    assert list(found.columns) == ["num_runs", "value_at_last_epoch", "recorded", "diverged"]
    np.testing.assert_array_equal(found["value_at_last_epoch"], [1, np.nan, np.nan])
    assert [list(found[name]) for name in ("recorded", "diverged")] == [[7, 0, 2], [2, 0, 2]]


def test_files_are_opened_some_at_a_time(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(dataset)
    monkeypatch.setattr(sys.modules["analysis.reading.tables"], "_FILES", 2)  # `analysis.read` is the function
    pd.testing.assert_frame_equal(read(dataset), whole)
    pd.testing.assert_frame_equal(pd.concat(read_batches(dataset, rows=4), ignore_index=True), whole)


def test_curves_of_chosen_experiments(dataset: Path) -> None:
    everything = experiments(dataset)
    assert len(everything) == 27
    chosen = everything[everything["size"] == 1024][::-1]
    found = curves_of(dataset, chosen, ["test_loss_median", "test_loss_unknown"])
    assert list(found["experiment_id"]) == list(chosen["experiment_id"])
    assert [len(curve) for curve in found["test_loss_median"]] == [60] * len(chosen)
    assert "test_loss_unknown" not in found


def test_some_panels_stand_for_very_many() -> None:
    shapes = ("rectangle", "trapezoid", "exponential", "wide_first_2x", "wide_first_4x")
    rows = [
        {"dataset": "a", "shape": s, "depth": d, "size": z, "num_free_parameters": z, "learning_rate": r, "epochs": 9}
        for r in (1e-3, 1e-4)
        for s in shapes
        for d in range(2, 12)
        for z in SIZES
        if r == 1e-4 or z > 300
    ]
    frame = pd.DataFrame(rows)
    chosen = representative(frame, 12)
    assert len(panels(frame)) == 100
    assert 6 <= len(panels(chosen)) <= 12
    assert set(chosen["learning_rate"]) == {1e-4}
    assert {2, 11} <= set(chosen["depth"])
    assert len(representative(frame[:10], 12)) == 10


# What failed or is missing


@pytest.mark.filterwarnings("ignore::RuntimeWarning:tests.support.analysis_data", "ignore::RuntimeWarning:numpy")
@pytest.mark.usefixtures("without_figures")
def test_gaps_of_a_survey(tmp_path: Path) -> None:
    path = surveyed(tmp_path)
    everything = experiments(path)
    everything.loc[everything["size"] == 512, "num_runs"] = 3
    found = gaps(path, everything)
    assert (found.runs_missing, found.unexplained, found.left_out, found.diverged) == (1, 1, 0, 4)
    assert [(gap.label, gap.problem) for gap in found.listed] == [
        ("trapezoid d2 2^8", "4 of 4 runs diverged"),
        ("rectangle d2 2^9", "1 run missing"),
        ("trapezoid d2 2^9 e60", "no runs"),
    ]
    assert not found.none
    record = LaunchRecord(
        "small", "incomplete", "", "host", 1, 0.0, 0.0, 0.0, 3, 12, 0, 12, Figures(17, failures={"out of memory": 5})
    )
    (tmp_path / "launch.json").write_text(json.dumps(asdict(record)))
    found = gaps(path, everything)
    assert (found.unexplained, found.left_out, found.failures) == (0, 1, {"out of memory": 5})
    page = write_report(path, tmp_path / "report").read_text()
    assert "4 runs diverged: the test loss is not finite at the last epoch." in page
    assert "5 runs failed in the last launch: out of memory" in page
    assert "Left out by the launch: 1 experiment of the search spaces" in page


def test_gaps_without_search_spaces(dataset: Path, tmp_path: Path) -> None:
    found = gaps(dataset, experiments(dataset))
    assert found.none
    assert not found.known
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "odd.yaml").write_text("name: [")
    (tmp_path / "launch.json").write_text("[]")
    shutil.copytree(dataset, tmp_path / "dataset")
    assert not gaps(tmp_path / "dataset", experiments(dataset)).known


def test_how_the_runs_were_made(dataset: Path) -> None:
    facts = dict(provenance(dataset))
    assert facts["Hosts"] == "2 (Linux-x86_64)"
    assert facts["Seeds"] == "3 distinct, for 81 runs (column seed)"
    assert facts["Time in training"] == "16.9 minutes, summed over runs"
    assert "host0" not in str(facts)
