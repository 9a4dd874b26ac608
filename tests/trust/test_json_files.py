"""JSON files of an output that is damaged, or a stranger's: what is said, and that nothing is made of them."""

from __future__ import annotations

import json
import math
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from analysis.report.condense import experiments
from analysis.report.forecasts import launches
from analysis.report.gaps import gaps
from survey.errors import OutputError
from survey.output.folder import Output, is_output
from survey.output.forecasts import read_forecasts
from survey.output.launch_record import LaunchRecord, read_record
from survey.output.progress import ClassFigures, Figures, RunningTrial
from survey.status import render, survey_status
from survey.text.json_files import read_json
from survey.tracking.store_note import live_database
from tests.support.no_json import NO_JSON
from tests.support.surveyed import surveyed

RECORD = asdict(
    LaunchRecord(
        name="small",
        phase="incomplete",
        error="",
        host="host",
        pid=os.getpid(),
        process_start_s=1.5,
        began_s=1.0e9,
        updated_s=1.0e9,
        num_experiments=4,
        num_runs=20,
        num_runs_before=0,
        num_runs_done=8,
        figures=Figures(
            runs_planned=20,
            epochs=100,
            failures={"no memory": 2},
            classes={"1 CPU core": ClassFigures(1)},
            running=(RunningTrial("digits", 5, 1, 10, 1.0),),
        ),
    )
)
FORECAST = {
    "began": 10**12,
    "measured": True,
    "num_cpus": 2,
    "num_gpus": 0,
    "runs": 20,
    "training_s": [1.0, 0.5, 2.0],
    "core_s": [1.0, 0.5, 2.0],
    "wall_s": [1.0, 0.5, 2.0],
    "end": {"at": 10**12, "wall_s": 1.0, "runs": 20, "training_s_expected": 1.0},
}
VALUES: dict[str, Any] = {
    "text": "3",
    "list": [3],
    "mapping": {"a": 3},
    "null": None,
    "zero": 0,
    "below 0": -1,
    "past any number": 10**400,
    "past any time": 1e300,
    "not a number": math.nan,
    "infinite": math.inf,
}


@pytest.fixture
def output(tmp_path: Path) -> Output:
    made = Output.at(tmp_path / "out")
    made.prepare()
    return made


def shown(output: Output) -> str:
    console = Console(width=200, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115
    console.print(render(survey_status(output.folder)))
    return console.export_text()


def test_a_record_of_the_right_types_is_read(output):
    output.launch_record.write_text(json.dumps(RECORD))
    assert asdict(read_record(output)) == {**RECORD, "figures": {**RECORD["figures"]}}
    assert "8 of 20 runs done" in shown(output)
    output.launch_record.write_text(json.dumps({**RECORD, "of a later version": [1]}))
    assert read_record(output) is not None


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON)
def test_a_file_that_is_no_json_is_ignored_or_refused_with_one_message(output, text, monkeypatch):
    monkeypatch.setattr("survey.output.redo_log._MOST_BYTES", 10_000_000)
    for file in ("launch.json", "forecasts.json", "mlflow-node.json"):
        (output.folder / file).write_text(text, encoding="latin-1")
    assert "no launch has left a record here that can be read" in shown(output)
    assert read_forecasts(output.folder) == []
    assert live_database(output) == output.database
    for file in ("redo.json", "survey.json"):
        (output.folder / file).write_text(text, encoding="latin-1")
    for read in (lambda: output.redo_log.superseded, lambda: output.identity.contents):
        with pytest.raises(OutputError, match=r"/(redo|survey)\.json: cannot be read: .*") as error:
            read()
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 300
    assert not is_output(output.folder, "x")


def places(value: Any, *path: Any):
    """Yield where something stands in a document."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, each in inside:
        yield from places(each, *path, key)


def changed(document: Any, path: tuple, value: object) -> Any:
    document = json.loads(json.dumps(document))
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if not path:
        return value
    inner[path[-1]] = value
    return document


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_no_value_of_a_record_gives_a_traceback(output, value):
    for path in places(RECORD):
        output.launch_record.write_text(json.dumps(changed(RECORD, path, value)))
        assert "runs done" in shown(output)
        json.dumps(asdict(survey_status(output.folder)))


@pytest.fixture(scope="module")
def survey_of_few(tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    with warnings.catch_warnings(action="ignore"):
        dataset = surveyed(tmp_path_factory.mktemp("few"))
    return dataset, experiments(dataset)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_no_value_of_any_file_gives_a_traceback_in_the_report(survey_of_few, value):
    dataset, everything = survey_of_few
    folder = dataset.parent
    for path in ((), ("num_experiments",), ("figures",), ("figures", "failures"), ("figures", "failures", "no memory")):
        (folder / "launch.json").write_text(json.dumps(changed(RECORD, path, value)))
        gaps(dataset, everything)
    for path in places([FORECAST]):
        (folder / "forecasts.json").write_text(json.dumps(changed([FORECAST], path, value)))
        if read_forecasts(folder):
            launches(dataset)
    (folder / "survey.json").write_text(json.dumps({"output_id": "0" * 32, "contents": value}))
    gaps(dataset, everything)


def test_a_message_says_where_and_what(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(json.dumps(changed(RECORD, ("figures", "running", 0, "epoch"), "3")))
    with pytest.raises(ValueError, match=r"^figures\.running\.0\.epoch: Input should be a valid integer$"):
        read_json(file, LaunchRecord)
    file.write_bytes(b" " * 11)
    with pytest.raises(ValueError, match=r"^expected 10 bytes at most, found more$"):
        read_json(file, int, most_bytes=10)
