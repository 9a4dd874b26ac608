"""The explorer: what it keeps is what the tables say, its answers are those of the analysis, its server is shut."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from base64 import b64decode

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import analysis
from analysis.explore import answers, single_file
from analysis.explore.catalogue import catalogue, codes
from analysis.explore.index import epoch_column, folder_of, open_index, value_column
from analysis.explore.server import application, listen
from analysis.reading.best import best_of, run_values
from survey.errors import ExportError, InputError
from tests.support.asgi import ask
from tests.support.hostile import MARKED, parsed
from tests.support.workload_data import MADE, hills, write_workload

RATES, COUNTS, KINDS = (1.0, 2.0, 4.0), (1, 3), ("plain", None)


@pytest.fixture
def dataset(tmp_path, made_is_installed):
    """A full grid of 12 experiments of another workload, in two files, in the output of a survey."""
    (tmp_path / "survey.json").write_text("{}")
    return write_workload(tmp_path / "dataset", MADE, hills(rates=RATES, count=COUNTS, kind=KINDS))


@pytest.fixture
def opened(dataset):
    return open_index(dataset, folder_of(dataset))


def ids_of(opened) -> list[int]:
    return opened.experiments["experiment_id"].tolist()


def test_what_is_kept_is_what_the_tables_say(dataset, opened):
    summary = analysis.read(dataset)
    for name in (
        "experiment_id",
        "rate",
        "count",
        "kind",
        "num_runs",
        "height_max_value_median",
        "height_max_epoch_q3",
    ):
        pd.testing.assert_series_equal(opened.experiments[name], summary[name])
    assert opened.experiments["height_median_last"].tolist() == [curve[-1] for curve in summary["height_median"]]
    best = best_of(MADE.metrics, summary)
    runs, kept = run_values(dataset, summary, best), opened.runs.sort_values(["experiment_id", "repetition"])
    assert kept[value_column(best)].tolist() == runs["value"].tolist()
    assert kept[epoch_column(best)].tolist() == runs["epoch"].tolist()


def test_only_files_that_changed_are_read_again(dataset, opened):
    assert opened.num_read == 4  # two files of the summary and of the runs
    assert opened.folder == dataset.parent / "explorer"
    assert open_index(dataset, folder_of(dataset)).num_read == 0
    part = dataset / "complete_summary" / opened.parts["complete_summary"][1].path
    os.utime(part, ns=(1, 1))
    again = open_index(dataset, folder_of(dataset))
    assert again.num_read == 1
    pd.testing.assert_frame_equal(again.experiments, opened.experiments)
    shutil.rmtree(part.parent)
    fewer = open_index(dataset, folder_of(dataset))
    assert (fewer.num_read, len(fewer.experiments)) == (0, 6)


def test_files_of_other_kinds_are_read_beside_each_other(dataset, opened):
    """One has another type and lacks a column, as files of other versions may."""
    part = opened.parts["complete_summary"][1].path
    file = dataset / "complete_summary" / part
    stored = pq.ParquetFile(file).read()
    place = stored.column_names.index("rate")
    stored = stored.set_column(place, "rate", stored["rate"].cast(pa.float64())).drop_columns("height_max_value_q3")
    pq.write_table(stored, file)
    again = open_index(dataset).experiments
    of_file = (again["part"] == 1).to_numpy()
    assert 0 < of_file.sum() < len(again)
    expected = opened.experiments.assign(height_max_value_q3=opened.experiments["height_max_value_q3"].where(~of_file))
    pd.testing.assert_frame_equal(again, expected)


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0 and nothing more"])
def test_a_damaged_index_is_made_again(dataset, opened, damage):
    (opened.folder / "experiments.arrow").write_bytes(damage)
    again = open_index(dataset, folder_of(dataset))
    assert again.num_read == 2
    pd.testing.assert_frame_equal(again.experiments, opened.experiments)


def test_a_data_set_that_is_not_ours_stays_as_it_is(tmp_path, made_is_installed, monkeypatch):
    monkeypatch.setenv("SURVEY_CACHE_DIR", str(tmp_path / "cache"))
    theirs = write_workload(tmp_path / "theirs" / "dataset", MADE, hills(rates=RATES))
    before = sorted(tmp_path.glob("theirs/**/*"))
    assert folder_of(theirs).is_relative_to(tmp_path / "cache")
    (theirs.parent / "survey.json").write_text("{}")
    assert folder_of(theirs) == theirs.parent / "explorer"
    assert folder_of(theirs, read_only=True).is_relative_to(tmp_path / "cache")
    (theirs.parent / "explorer").symlink_to(tmp_path)
    assert folder_of(theirs).is_relative_to(tmp_path / "cache")
    (theirs.parent / "explorer").unlink()
    (theirs.parent / "survey.json").unlink()
    assert open_index(theirs, folder_of(theirs)).num_read
    assert open_index(theirs, folder_of(theirs)).num_read == 0
    assert sorted(tmp_path.glob("theirs/**/*")) == before


def test_where_nothing_can_be_kept_it_is_read_each_time(tmp_path, made_is_installed, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SURVEY_CACHE_DIR", str(tmp_path / "file"))
    theirs = write_workload(tmp_path / "theirs" / "dataset", MADE, hills(rates=RATES))
    assert open_index(theirs, folder_of(theirs)).num_read == open_index(theirs, folder_of(theirs)).num_read > 0


def test_a_damaged_file_of_the_data_set_is_named(dataset):
    next((dataset / "complete_summary").rglob("*.parquet")).write_bytes(b"no parquet")
    with pytest.raises(ExportError, match=r"part-0\.parquet"):
        open_index(dataset, folder_of(dataset))


def test_the_catalogue_says_what_there_is_to_choose_from(opened):
    found = catalogue(opened)
    axes = {axis["name"]: axis for axis in found["axes"]}
    assert list(axes) == ["rate", "count", "kind"]
    assert axes["kind"]["texts"] == ["none", "plain"]
    assert axes["kind"]["numbers"] is None
    assert axes["rate"]["numbers"] == list(RATES)
    assert [metric["name"] for metric in found["curves"]] == ["height", "width", "unseen"]
    assert found["tasks"][0]["statistic"] == "height_max_value"
    by_name = {each["name"]: each for each in found["statistics"]}
    assert by_name["height_max_value"]["columns"]["q1"] == "height_max_value_q1"
    assert by_name["width_last"]["columns"] == {"median": "width_median_last"}
    for name, texts in (("kind", ["none", "plain"]), ("count", ["1", "3"])):
        values = [texts[code] for code in codes(opened, name)]
        assert values == ["none" if pd.isna(each) else str(each) for each in opened.experiments[name]]


@pytest.mark.parametrize("metric", ["height", "unseen"])
def test_curves_are_those_of_the_data_set_also_where_summaries_lack_them(dataset, opened, metric):
    ids = ids_of(opened)[::5]
    runs = analysis.read(dataset, table="all_repetitions", columns=["experiment_id", metric])
    found = {int(curve["id"]): curve for curve in answers.curves(opened, ids, metric)}
    assert set(found) == set(ids)
    for identity, curve in found.items():
        values = np.stack(runs[runs["experiment_id"] == identity][metric].tolist())
        assert curve["epochs"] == list(range(1, 9))
        np.testing.assert_allclose(curve["median"], np.median(values, axis=0), rtol=1e-6)
        np.testing.assert_allclose(curve["q1"], np.quantile(values, 0.25, axis=0), rtol=1e-6)


def test_runs_of_an_experiment_have_their_scores_and_curves(dataset, opened):
    identity = ids_of(opened)[3]
    rows = analysis.read(dataset, table="all_repetitions", filters=[("experiment_id", "=", identity)])
    found = answers.runs(opened, identity, "width")
    assert [run["repetition"] for run in found["runs"]] == [0, 1, 2]
    for run, curve, height in zip(found["runs"], rows["width"], rows["height"], strict=True):
        np.testing.assert_allclose(run["curve"], curve, rtol=1e-6)
        assert run["value"] == pytest.approx(height.max())
        assert run["epoch"] == height.argmax() + 1


def test_effects_and_differences_are_those_of_the_analysis(dataset, opened):
    found = answers.effects(opened, "", {})
    expected = analysis.effects(dataset)
    assert [each["name"] for each in found["effects"]] == expected["effect"].tolist()
    np.testing.assert_allclose([each["share"] for each in found["effects"]], expected["share"], rtol=1e-6)
    assert found["computed_on"] == expected["computed_on"][0]

    reference, *others = ids_of(opened)
    all_of_them = answers.differences(opened, reference)
    for place, other in enumerate(others, start=1):
        one = analysis.difference(dataset, reference, other)
        np.testing.assert_allclose(all_of_them[:, place], [one.difference, one.low, one.high], rtol=1e-5, atol=1e-6)
    assert answers.difference(opened, reference, others[0])["text"] == str(
        analysis.difference(dataset, reference, others[0])
    )


def test_effects_follow_the_filter(opened):
    found = answers.effects(opened, "", {"kind": [1]})
    assert {each["name"] for each in found["effects"]} == {"count", "rate", "rate × count", "repetitions"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("curves?ids=1&metric=height", "no experiment has the id 1"),
        ("curves?ids=x&metric=height", "expected ids"),
        ("curves?ids=1&metric=hight", "did you mean 'height'"),
        ("curves?metric=height", "ids is missing"),
        ("runs?id=1&metric=height", "no experiment with the id 1"),
        ("effects?task=nowhere", "no task is called 'nowhere'"),
        ("effects?task=&kept=%7B%22rate%22:3%7D", "kept is no filter"),
        ("effects?task=&kept=%7B%22hight%22:[3]%7D", "'hight' is no axis"),
        ("effects?task=&kept=%7B%22rate%22:[99]%7D", "left by the filter"),
        ("difference?a=1&b=2", "no experiment has the id"),
        ("differences?reference=1", "no experiment has the id 1"),
        ("codes?axis=height_median", "is no axis"),
        ("numbers?column=kind", "is no statistic"),
    ],
)
def test_what_cannot_be_answered_is_one_message(opened, asked, said):
    answer = ask(application(opened), f"/api/{asked}")
    assert answer.status == 400
    assert said in answer.json()["error"]


def test_the_server_answers_as_the_analysis_does(dataset, opened):
    server = application(opened)
    assert ask(server, "/api/catalogue").json() == json.loads(json.dumps(catalogue(opened)))
    assert np.frombuffer(ask(server, "/api/ids").body, "<u8").tolist() == ids_of(opened)
    numbers = np.frombuffer(ask(server, "/api/numbers?column=height_max_value_median").body, "<f4")
    np.testing.assert_array_equal(numbers, opened.experiments["height_max_value_median"])
    shutil.rmtree(dataset / "complete_summary" / opened.parts["complete_summary"][1].path.rpartition("/")[0])
    assert ask(server, "/api/catalogue").json()["experiments"] == 6  # a page that is loaded again shows what is there


def test_the_server_is_for_this_machine_alone(opened):
    server = application(opened)
    for host in ("127.0.0.1", "127.0.0.1:8000", "localhost:9"):
        assert ask(server, "/", host).status == 200
    for host in ("example.org", "127.0.0.1.example.org", "10.0.0.1:8000", ""):
        assert ask(server, "/api/ids", host).status == 400
    for path in ("/front/../index.py", "/front/%2e%2e%2findex.py", "/front/index.py", "/front/explorer.html.j2"):
        assert ask(server, path).status == 404
    assert "script-src 'self'" in ask(server, "/").headers["content-security-policy"]
    assert ask(server, "/front/app.js").headers["content-type"].startswith("text/javascript")


def test_a_port_that_is_taken_is_one_message():
    with listen(None) as listener:
        address, port = listener.getsockname()
        assert address == "127.0.0.1"
        with pytest.raises(InputError, match=f"--port {port}: cannot listen .* leave the option out"):
            listen(port)


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(gzip.decompress(b64decode(text)), kind)


def test_one_file_has_the_data_of_a_small_survey(dataset, opened, tmp_path):
    file = single_file.write_single_file(dataset, tmp_path)
    assert file == tmp_path / "explore.html"
    first = file.read_bytes()
    assert len(first) < 2_000_000
    data = json.loads(re.search(r'<script id="embedded" type="application/json">(.*?)</script>', first.decode())[1])
    assert data == json.loads(json.dumps(single_file.embedded(opened)))
    assert data["ids"] == [str(each) for each in ids_of(opened)]
    best = unpacked(data["numbers"]["height_max_value_median"], "<f4")
    np.testing.assert_array_equal(best, opened.experiments["height_max_value_median"])
    curves = data["curves"]["height"]
    values = unpacked(curves["values"], "<f4").reshape(3, 12, len(curves["epochs"]))
    medians = np.stack(analysis.read(dataset)["height_median"].tolist())
    np.testing.assert_allclose(values[1], medians[:, np.array(curves["epochs"]) - 1], rtol=2e-4)
    assert data["effects"][""] == json.loads(json.dumps(answers.effects(opened, "", {})))
    single_file.write_single_file(dataset, tmp_path)
    assert file.read_bytes() == first


def test_one_file_is_for_small_surveys_and_of_bounded_size(dataset, opened, tmp_path, monkeypatch):
    whole = single_file.embedded(opened)
    rest = [
        text
        for name in ("ids", "codes", "numbers")
        for text in (whole[name].values() if name != "ids" else whole[name])
    ]
    room = sum(map(len, [*rest, whole["curves"]["height"]["values"], whole["curves"]["height"]["counts"]]))
    monkeypatch.setattr(single_file, "MOST_BYTES", single_file._FOR_THE_PAGE + room)
    assert list(single_file.embedded(opened)["curves"]) == ["height"]
    file = single_file.write_single_file(dataset, tmp_path)
    monkeypatch.setattr(single_file, "MOST_EXPERIMENTS", 11)
    assert single_file.write_single_file(dataset, tmp_path) is None
    assert not file.exists()  # it would show what has been


def test_names_in_the_file_are_no_markup(tmp_path, made_is_installed):
    hostile = f"</script>{MARKED}<!--"
    dataset = write_workload(
        tmp_path / hostile.replace("/", "") / "dataset", MADE, hills(rates=RATES, kind=(hostile, None))
    )
    page = single_file.write_single_file(dataset, tmp_path).read_text()
    assert "onerror=a()" in page
    assert {name for name, *_ in parsed(page).elements} & {"img", "b", "i"} == set()
