"""The page of a survey in the MLflow UI: what a link and a tag of the MLflow experiment can say of it.

MLflow's UI keeps a view that is shared (which runs, columns and charts, in which order) as a tag of the experiment; a
link names the tag. So a survey has a view of its own from its first minute, and whatever a person changes there is
theirs. Nothing else reads the tag; a UI that does not know it shows its own page.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Sequence
from typing import Any

from survey.tracking.tags import ROLE, TRIAL_ROLE
from survey.workloads.metrics import Metrics

_KEY = "survey"
VIEW = f"mlflow.sharedViewState.{_KEY}"
"""The tag of the MLflow experiment, as MLflow's UI calls that of a view with this key."""

_FIRST, _OTHERS = "survey-curves", "survey-others"
_COLUMN_WIDTH = 100  # in pixels
_CHARTS_IN_A_ROW = 2
"""Beside the list of runs, three of them would be too narrow for their titles on a small screen."""

_ASSISTANT = "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"
"""The key under which MLflow's UI notes in a browser that its assistant has opened itself there, as it does once."""

PATH = "/survey"
"""Where a server with `survey.tracking.app` has the entrance to the page, whose own address is long."""


def page(address: str, mlflow_experiment_id: str) -> str:
    """Return the address of the page of an MLflow experiment: the charts of its training runs, in the survey's view."""
    query = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={_KEY}"
    return f"{address}/#/experiments/{mlflow_experiment_id}/runs?{query}"


def entrance(address: str) -> str:
    """Return a page of HTML that leads to another address of the same server, and leaves MLflow's assistant closed.

    A browser that has never been there would open it over a third of the page. Whoever wants it has its button, and
    what a browser remembers of it otherwise stays.
    """
    target = json.dumps(address).replace("<", r"\u003c")
    script = f"localStorage.setItem({_ASSISTANT!r}, 'true'); location.replace({target})"
    link = f'<a href="{html.escape(address)}">The survey in MLflow</a>'
    return f"<!doctype html><title>Survey</title><script>{script}</script><noscript>{link}</noscript>"


def shared_view(metrics: Metrics, axes: Sequence[str]) -> str:
    """Return the value of the tag `VIEW`.

    The page lists the runs of trials, the best one first, with a column for each axis that varies and for the metrics
    that matter. Its charts are those metrics, the objective first, and, folded, the others.

    Args:
        metrics: The metrics of the workload.
        axes: The axes that have several values.
    """
    objective = metrics.objective
    first = sorted((metric.name for metric in metrics.of_runs), key=lambda name: _distance(name, objective.name))
    quartiles = (f"{metric.name}_{q}" for metric in metrics.with_quartiles for q in ("q1", "q3"))
    others = [name for name in (*metrics.names, *quartiles) if name not in first]
    charts = [*(_curves(name, _FIRST) for name in first), *(_curves(name, _OTHERS) for name in others)]
    columns = [*(f"params.`{name}`" for name in axes), *(f"metrics.`{name}`" for name in first)]
    state = {
        "searchFilter": f"tags.`{ROLE}` = '{TRIAL_ROLE}'",
        "orderByKey": f"metrics.`{objective.name}`",
        "orderByAsc": objective.best != "max",
        "selectedColumns": columns,
        "columnOrder": ["attributes.`Run Name`", *columns],
        "columnWidths": dict.fromkeys(columns, _COLUMN_WIDTH),
        "compareRunCharts": charts,
        "compareRunSections": [_section(_FIRST, "Learning curves"), _section(_OTHERS, "Other metrics", shown=False)],
        "isAccordionReordered": True,
    }
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()


def _distance(metric: str, objective: str) -> int:
    """0 for the objective, 1 for the same of other rows, such as `train_loss` beside `test_loss`, 2 for others."""
    return (metric != objective) + (metric.partition("_")[2] != objective.partition("_")[2])


def _curves(metric: str, section: str) -> dict[str, Any]:
    """A chart of a metric by epoch."""
    return {
        "type": "LINE",
        "uuid": f"survey-{metric}",
        "metricSectionId": section,
        "isGenerated": True,
        "deleted": False,
        "displayName": metric,
        "metricKey": metric,
        "xAxisKey": "step",
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        "xAxisScaleType": "log",
        "scaleType": "linear",
        "lineSmoothness": 0,
        "range": {},
    }


def _section(uuid: str, name: str, *, shown: bool = True) -> dict[str, Any]:
    """A section of charts, folded if it is not shown."""
    state = {"uuid": uuid, "name": name, "display": shown, "isReordered": True, "isGenerated": True, "deleted": False}
    return {**state, "columns": _CHARTS_IN_A_ROW}
