"""Time of each action of the explorer on a data set of any size, made up as for the report.

python -m benchmarks.explorer FOLDER --experiments 100000

An action is what a browser asks the server for; what the browser draws of it is measured in the browser: the time from
a change of the address to the figure, in a headless Chromium, where there is one. CPU time is that of the server and
the browser together, for machines that do other work meanwhile.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import psutil

from benchmarks.report import fill

VIEWS = (
    *("zone", "zone&y=epoch", "curves", "curves&lines=all", "slices", "pairs", "parallel", "effects", "differences"),
    *("table", "zone&keep.depth=3", "zone&statistic=test_loss_last"),
)


def main() -> None:
    """Make the data set where it is not there, start the explorer on it, and say how long its actions take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    dataset = options.folder / "dataset"
    if not dataset.exists():
        fill(dataset, options.experiments, options.repetitions, options.epochs, run_curves=True)
        (options.folder / "survey.json").write_text("{}")
    began = time.perf_counter()
    command = [sys.executable, "-m", "analysis.explore", str(dataset)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        print(process.stdout.readline().strip())
        address = re.search(r"http://\S+/", process.stdout.readline())
        assert address
        print(f"listening after {time.perf_counter() - began:.1f} s")
        try:
            began_cpu = cpu_seconds()
            for what, seconds in chain(answers(address[0]), figures(address[0])):
                now = cpu_seconds()
                print(f"{seconds:6.2f} s, {now - began_cpu:5.2f} s of CPU  {what}", flush=True)
                began_cpu = cpu_seconds()
        finally:
            process.send_signal(signal.SIGINT)


def cpu_seconds() -> float:
    """CPU time so far of all processes that this one has started, the server and the browser."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def answers(address: str) -> Iterator[tuple[str, float]]:
    """Yield what the server is asked, and how long it takes to answer."""

    def timed(question: str) -> tuple[float, bytes]:
        began = time.perf_counter()
        with urlopen(f"{address}api/{question}") as response:
            body = response.read()
        return time.perf_counter() - began, body

    seconds, body = timed("catalogue")
    yield "answer: the catalogue, after looking for changes", seconds
    task = json.loads(body)["tasks"][0]
    seconds, body = timed("ids")
    yield "answer: ids of all experiments", seconds
    ids = np.frombuffer(body, "<u8")
    many = ",".join(str(each) for each in ids[:: max(1, len(ids) // 60)][:60])
    for what, question in (
        ("a statistic of all experiments", "numbers?column=test_loss_min_value_median"),
        ("curves of 60 experiments", f"curves?metric=test_loss&ids={many}"),
        ("runs of an experiment", f"runs?metric=test_loss&id={ids[0]}"),
        ("effects of a task", f"effects?task={quote(task['name'])}"),
        ("differences of all from one", f"differences?reference={ids[0]}"),
        ("the difference of two in words", f"difference?a={ids[0]}&b={ids[1]}"),
    ):
        yield f"answer: {what}", timed(question)[0]


def figures(address: str) -> Iterator[tuple[str, float]]:
    """Yield what a browser shows, and how long it takes from a change of the address until it is drawn."""
    if not shutil.which("chromedriver"):
        return
    with browser() as driver:
        began = time.perf_counter()
        driver.get(address)
        while not driver.execute_script("return document.body.dataset.drawn"):
            time.sleep(0.01)
        yield "figure: the first one, after the page is opened", time.perf_counter() - began
        driver.set_script_timeout(600)
        script = (
            "const [hash, done] = arguments, before = document.body.dataset.drawn, began = performance.now();"
            "const tell = () => done(performance.now() - began);"
            "new MutationObserver((_, self) => { self.disconnect(); requestAnimationFrame(tell); })"
            ".observe(document.body, { attributes: true, attributeFilter: ['data-drawn'] }); location.hash = hash;"
        )
        for view in VIEWS:
            yield f"figure: {view}", driver.execute_async_script(script, f"view={view}") / 1000


def browser() -> Any:
    """A headless Chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,1000"):
        options.add_argument(flag)
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))


if __name__ == "__main__":
    main()
