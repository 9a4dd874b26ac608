"""What a person sees: the MLflow UI of a survey and its report, in a headless Chromium."""

from __future__ import annotations

import re

import pytest

from survey.tracking.server import MlflowServer
from survey.tracking.ui_view import PATH
from tests.support.awaiting import HANGS_S, await_that
from tests.support.browser import chromium, without_browser
from tests.support.small_survey import EPOCHS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(without_browser() is not None, reason=str(without_browser())),
]


@pytest.fixture
def browser(tmp_path):
    driver = chromium(tmp_path / "profile")
    yield driver
    driver.quit()


def await_text(browser, pattern: str) -> str:
    """Wait until the page's text matches; return the text."""

    def text() -> str:
        found = browser.execute_script("return document.body ? document.body.innerText : ''")
        return found if re.search(pattern, found) else ""

    return await_that(text, f"{pattern!r} does not appear", every_s=0.5)


def test_the_mlflow_ui_lists_the_runs_by_name_and_draws_a_curve(undisturbed, browser, tmp_path):
    from mlflow.tracking import MlflowClient

    store = f"sqlite:///{undisturbed / 'mlflow.db'}"
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("small")
    assert experiment
    run = next(
        run
        for run in client.search_runs([experiment.experiment_id])
        if sorted(run.info.run_name.split()) == sorted(f"iris rectangle d3 2^6 lr0.01 b32 e{EPOCHS}".split())
    )
    # Another test beside this one may take the first port.
    server = MlflowServer(store, undisturbed / "artifacts", log=tmp_path / "server.log", first_port=5300)
    try:
        server.wait(within_s=HANGS_S)
        browser.get(f"{server.address}{PATH}")
        text = await_text(browser, r"2\^\d")
        assert "Model training" in text
        assert "iris" in text
        assert "diabetes" in text
        browser.get(f"{server.address}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}/model-metrics")
        await_text(browser, r"test_accuracy")  # charts further down are drawn when they are scrolled to
        await_that(lambda: has_curve(browser), "no curve is drawn", every_s=0.5)
    finally:
        server.stop()


def has_curve(browser) -> bool:
    """Whether a curve is drawn: MLflow draws with plotly, where it is a path of many points."""
    paths = browser.execute_script(
        "return [...document.querySelectorAll('.js-plotly-plot path.js-line')].map(p => p.getAttribute('d'))"
    )
    return any(path and path.count("L") >= 10 for path in paths)


def test_the_report_of_a_survey_shows_its_figures(undisturbed, browser):
    browser.get((undisturbed / "report" / "index.html").as_uri())
    text = await_text(browser, "Butter zone")
    assert "sklearn:iris" in text
    assert "sklearn:diabetes" in text
    widths = browser.execute_script("return [...document.images].map(i => i.complete && i.naturalWidth)")
    assert text.index("What this survey found") < text.index("What was surveyed") < text.index("Butter zone of")
    # All settings; tasks side by side; of each task zones, learning curves, generalization of several sizes, effects.
    assert len(widths) == 7 + text.count("Generalization statistics of") + text.count("What matters for the")
    assert all(width > 600 for width in widths)
