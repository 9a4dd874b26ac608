"""The explorer in a headless Chromium: filter, choose a cell, compare, follow a link, and the file without a server."""

from __future__ import annotations

import csv
import io
import re
import threading

import pytest

from analysis.explore.index import folder_of, open_index
from analysis.explore.server import listen, server_of
from analysis.explore.single_file import write_single_file
from tests.support.awaiting import await_that
from tests.support.browser import chromium, without_browser
from tests.support.workload_data import MADE, hills, write_workload

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(without_browser() is not None, reason=str(without_browser())),
]


@pytest.fixture
def browser(tmp_path):
    driver = chromium(tmp_path / "profile", downloads=tmp_path / "downloads")
    yield driver
    driver.quit()


@pytest.fixture
def dataset(tmp_path, made_is_installed):
    (tmp_path / "survey.json").write_text("{}")
    curves = hills(rates=(1.0, 2.0, 4.0), count=(1, 3), kind=("plain", None))
    return write_workload(tmp_path / "dataset", MADE, curves)


@pytest.fixture
def address(dataset):
    listener, server = listen(None), server_of(open_index(dataset, folder_of(dataset)))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True
    serving.join()


def shown(browser, pattern: str) -> str:
    """The text of the page, once it matches."""

    def text() -> str:
        found = browser.execute_script("return document.body ? document.body.innerText : ''")
        return found if re.search(pattern, found) else ""

    return await_that(text, f"{pattern!r} does not appear", every_s=0.1)


def click(browser, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def choose(browser, selector: str, value: str) -> None:
    script = (
        "const select = document.querySelector(arguments[0]); select.value = arguments[1];"
        "select.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(script, selector, value)


def walk_the_map(browser, *keys: str) -> None:
    """Go from cell to cell of the map with the keyboard."""
    script = (
        "const map = document.querySelector('#picture svg[tabindex]'); map.focus();"
        "for (const key of arguments) map.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))"
    )
    browser.execute_script(script, *keys)


def test_one_filters_chooses_a_cell_compares_and_follows_a_link(browser, address, tmp_path):
    browser.get(address)
    shown(browser, r"10\.5 is the best median height at its best epoch of 12 experiments: rate 2, count 3, kind none")
    click(browser, '#filters [data-value="kind=none"]')  # is left out
    text = shown(browser, "6 of 6|6 of 12 experiments")
    assert "There is one experiment at each place" in text
    shown(browser, r"10 is the best median height .* of 6 experiments")

    walk_the_map(browser, "ArrowLeft", "Enter")  # from the best, at rate 2
    text = shown(browser, "The 3 runs in numbers")
    assert re.search(r"Selected experiment\s+rate\s+1\s+count\s+3\s+kind\s+plain", text)
    click(browser, "#add")
    walk_the_map(browser, "ArrowDown", "Enter")
    await_that(
        lambda: "count\n1" in shown(browser, "Selected experiment"), "the other cell is not selected", every_s=0.1
    )
    click(browser, "#add")
    shown(browser, "Compared: 2")
    click(browser, "#tab-curves")
    choose(browser, "#control-lines", "compared")
    shown(browser, "Shown: the compared experiments")
    picture = browser.execute_script("return document.getElementById('picture').innerHTML")
    link = browser.current_url

    browser.get("about:blank")
    browser.get(link)
    shown(browser, "Shown: the compared experiments")
    text = shown(browser, "Compared: 2")
    assert "6 of 12 experiments" in text
    assert without_ids(browser.execute_script("return document.getElementById('picture').innerHTML")) == without_ids(
        picture
    )

    click(browser, "#csv")
    file = tmp_path / "downloads" / "curves.csv"
    await_that(file.exists, "no CSV is saved", every_s=0.1)
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len(rows) == 2 * 8
    assert {row["count"] for row in rows} == {"1", "3"}
    for kind, beginning in (("svg", b"<svg"), ("png", b"\x89PNG")):
        click(browser, f"#{kind}")
        picture_file = tmp_path / "downloads" / f"curves.{kind}"
        await_that(picture_file.exists, f"no {kind} is saved", every_s=0.1)
        assert picture_file.read_bytes().startswith(beginning)
    assert messages_of(browser) == []


@pytest.mark.parametrize("width", [1200, 700])
def test_every_figure_is_drawn_and_no_text_leaves_it(browser, address, width):
    browser.set_window_size(width, 1000)
    for view in (
        "zone",
        "zone&y=epoch",
        "curves&lines=all",
        "slices",
        "pairs",
        "parallel",
        "effects",
        "differences",
        "table",
    ):
        browser.get("about:blank")
        browser.get(f"{address}#view={view}")
        await_that(
            lambda: browser.execute_script("return document.body.dataset.drawn"), f"{view} is not drawn", every_s=0.1
        )
        outside = browser.execute_script(
            "const frame = document.documentElement.clientWidth;"
            "return [...document.querySelectorAll('main text, main p, main h2, main button')]"
            ".map((each) => [each, each.getBoundingClientRect()])"
            ".filter(([each, box]) => box.width && (box.left < 0 || box.right > frame) && !each.closest('.scroll'))"
            ".map(([each]) => each.textContent)"
        )
        assert outside == [], view
        assert browser.execute_script("return document.querySelectorAll('.error').length") == 0, view
    assert messages_of(browser) == []


def test_the_file_shows_the_same_without_a_server(browser, dataset, tmp_path):
    file = write_single_file(dataset, tmp_path)
    browser.get(file.as_uri() + "#view=curves&lines=all")
    text = shown(browser, "Shown: all 12 experiments")
    assert "10.5 is the best median height" in text
    browser.get(file.as_uri() + "#view=effects")
    shown(browser, "Which share of the variance of the height")
    assert messages_of(browser) == []


def without_ids(html: str) -> str:
    """A figure without the numbers that the charts library gives its parts."""
    return re.sub(r"plot-[\w-]+", "", html)


def messages_of(browser) -> list[str]:
    """What the browser complains of."""
    return [each["message"] for each in browser.get_log("browser") if each["level"] in ("SEVERE", "WARNING")]
