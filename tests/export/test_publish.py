"""A published data set: whole, anonymous, described, and read back by a stranger's tools from a folder and from S3."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import mlcroissant
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml
from moto.server import ThreadedMotoServer
from pyarrow import fs

from analysis.reading.tables import read as analysis_read
from survey.errors import ExportError, InputError, OutputError
from survey.export.publish.__main__ import command
from survey.export.publish.description import About
from survey.export.publish.destination import Destination
from survey.export.publish.upload import JOURNAL, SUMS, publish
from survey.networks.search_space import SearchSpace
from tests.support.awaiting import await_that
from tests.support.commands import run_here
from tests.support.export_data import EXPERIMENTS, ORIGIN, TABLES, Survey, files, read
from tests.support.paths import ROOT

ABOUT = About("Small survey of iris", creator="Institute of Irises")
HOST = "lisas-laptop.example"
EXECUTIVE = "complete_executive_summary"


@pytest.fixture(scope="module")
def made(tmp_path_factory, empty_store):
    """A survey that a host with a name has made, for tests that only read it."""
    survey = Survey(tmp_path_factory.mktemp("made") / "out", empty_store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ORIGIN, "hostname", HOST)
        survey.train_all()
    survey.export()
    return survey


@pytest.fixture(scope="module")
def published(made, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "data"
    publish(made.folder, str(folder), ABOUT, spaces=made.output.search_spaces.read())
    return folder


@pytest.fixture(scope="module")
def s3():
    """An S3 server with an empty bucket; its address is in the environment, as are credentials."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
        patch.setenv("AWS_REGION", "us-east-1")
        store = fs.S3FileSystem(
            endpoint_override=address, access_key="testing", secret_key="testing-secret", allow_bucket_creation=True
        )
        store.create_dir("bucket")
        yield store, address
    server.stop()


# ---------------------------------------------------------------- what is published


def test_every_table_is_there_and_equal_but_for_the_names_of_hosts(made, published):
    for table in TABLES:
        there, here = (read(folder, table).to_pylist() for folder in (published, made.folder))
        if table == "all_repetitions":
            assert {row.pop("hostname") for row in here} == {HOST}
            assert {row.pop("hostname") for row in there} == {None}
        assert repr(there) == repr(here)


def test_the_one_file_has_all_rows_and_columns_of_the_executive_summary(made, published):
    flat = pq.read_table(published / f"{EXECUTIVE}.parquet")
    whole = read(made.folder, EXECUTIVE)
    assert flat.schema.equals(whole.schema)
    assert sorted(map(repr, flat.to_pylist())) == sorted(map(repr, whole.to_pylist()))


def test_checksums_are_of_all_files(published):
    there = {path: hashlib.sha256(data).hexdigest() for path, data in files(published).items()}
    del there[SUMS]
    lines = (published / SUMS).read_text().splitlines()
    assert dict(reversed(line.split("  ")) for line in lines) == there
    result = subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=published, capture_output=True, check=False)
    assert (result.returncode, result.stdout) == (0, b"")


def test_there_is_nothing_personal(made, tmp_path):
    home = tmp_path / "home" / "lisa"
    home.mkdir(parents=True)
    tasks = {"mine": {"path": str(home / "secret" / "mine.csv"), "target": "y", "kind": "regression"}}
    grid = {"dataset": "mine", "shape": "rectangle", "size": 64, "depth": 2}
    space = SearchSpace.model_validate({"name": "own", "grids": [grid], "tasks": tasks})
    publish(made.folder, str(tmp_path / "data"), ABOUT, spaces=[space])
    own = yaml.safe_load((tmp_path / "data" / "search_spaces" / "own.yaml").read_text())
    assert own["tasks"]["mine"]["path"] == "mine.csv"

    personal = [HOST, socket.gethostname(), str(home), str(made.folder.parent), str(tmp_path)]
    personal += [f"/{user}/" for user in {getpass.getuser(), os.environ.get("USER", "nobody")}]
    for file in (tmp_path / "data").rglob("*"):
        if file.is_dir():
            continue
        if file.suffix == ".parquet" or file.name == "_common_metadata":
            opened = pq.ParquetFile(file)
            # But for the schema in base64, which may hold any short word by chance.
            metadata = {name: value for name, value in opened.metadata.metadata.items() if name != b"ARROW:schema"}
            schema = opened.schema_arrow
            about = [schema.metadata, *(field.metadata for field in schema)]
            text = repr(opened.read().to_pylist()) + repr(metadata) + repr(about)
        else:
            text = file.read_text()
        assert [word for word in personal if word in text] == [], file


def test_names_of_hosts_are_published_when_asked_for(made, tmp_path):
    publish(made.folder, str(tmp_path / "data"), ABOUT, hostnames=True)
    assert {row["hostname"] for row in read(tmp_path / "data", "all_repetitions").to_pylist()} == {HOST}
    assert "names of the machines" in (tmp_path / "data" / "README.md").read_text()


def test_the_card_says_what_how_and_which_definitions_differ(published):
    card = (published / "README.md").read_text()
    differences = ROOT / "survey" / "export" / "publish" / "differences.md"
    assert differences.read_text() in card
    for part in (
        "# Small survey of iris",
        "6 experiments",
        "30 runs and 150 epochs",
        "| sklearn:iris | classification | 6 | 30 |",
        "| `learning_rate` | 1e-05, 0.0001 |",
        "| `torch_version` | 2.11.0 |",
        "CC-BY-4.0, https://creativecommons.org/licenses/by/4.0/",
        "Institute of Irises",
        "arXiv:2207.12547",
        "## Known limits",
        "The column `hostname` is null.",
    ):
        assert part in card, part


def test_the_code_of_the_card_runs(published):
    (code,) = re.findall(r"```python\n(.*?)```", (published / "README.md").read_text(), flags=re.DOTALL)
    check = f"{code}\nprint(len(summary), rows.num_rows)"
    result = subprocess.run([sys.executable, "-c", check], cwd=published, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("6 1\n", "")


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_documented(published, table):
    page = (published / "columns.md").read_text()
    names = pq.read_schema(published / table / "_common_metadata").names
    assert [name for name in names if f"| `{name}` |" not in page] == []
    assert "SWEEP" not in page


# ---------------------------------------------------------------- Croissant


def _check_records(described: str | Path, whole: pd.DataFrame) -> None:
    """The records of a Croissant description are the rows of the executive summary."""
    dataset = mlcroissant.Dataset(str(described))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    records = list(dataset.records(EXECUTIVE))
    assert len(records) == len(whole)
    by_id = {record[f"{EXECUTIVE}/experiment_id"]: record for record in records}
    for row in whole.to_dict("records"):
        record = by_id[row["experiment_id"]]
        assert {name.removeprefix(f"{EXECUTIVE}/") for name in record} == set(row)
        for name, value in row.items():
            found = record[f"{EXECUTIVE}/{name}"]
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(np.asarray(found), value)
            elif pd.isna(value):
                assert found is None
            else:
                assert (found.decode() if isinstance(found, bytes) else found) == value


def test_the_validator_accepts_the_description_and_it_loads_the_executive_summary(made, published):
    validator = Path(sys.executable).with_name("mlcroissant")
    command = [validator, "validate", "--jsonld", published / "croissant.json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Done" in result.stderr
    assert not re.search("warning|error", result.stderr, flags=re.IGNORECASE)
    _check_records(published / "croissant.json", read(made.folder, EXECUTIVE).to_pandas())


def test_a_changed_file_is_noticed_by_its_reader(published, tmp_path):
    shutil.copytree(published, tmp_path / "data")
    flat = tmp_path / "data" / f"{EXECUTIVE}.parquet"
    flat.write_bytes(flat.read_bytes()[:-1] + b"0")
    with pytest.raises(mlcroissant.GenerationError) as error:
        list(mlcroissant.Dataset(str(tmp_path / "data" / "croissant.json")).records(EXECUTIVE))
    assert "Hash of downloaded file" in str(error.value.__cause__)


# ---------------------------------------------------------------- an object store


def test_from_s3_by_analysis_by_pyarrow_and_by_mlcroissant(made, s3):
    store, address = s3
    about = About("In a store", url=f"{address}/bucket/by/all")
    result = publish(made.folder, "s3://bucket/by/all", about, spaces=made.output.search_spaces.read())
    assert (result.num_sent, result.num_removed) == (result.num_files, 0)

    whole = read(made.folder, "complete_summary").to_pandas()
    pd.testing.assert_frame_equal(analysis_read("s3://bucket/by/all"), whole)

    schema = pq.read_schema("bucket/by/all/complete_summary/_common_metadata", filesystem=store)
    by_pyarrow = pq.read_table("bucket/by/all/complete_summary", schema=schema, filesystem=store)
    pd.testing.assert_frame_equal(by_pyarrow.to_pandas(), whole)
    partitioned = ds.dataset("bucket/by/all/all_repetitions", filesystem=store, partitioning="hive")
    assert partitioned.count_rows() == 30

    _check_records(f"{address}/bucket/by/all/croissant.json", read(made.folder, EXECUTIVE).to_pandas())


def test_an_upload_that_was_killed_goes_on_where_it_stopped(made, s3):
    store, _ = s3
    script = f"""
import time
from pathlib import Path
from survey.export.publish import upload as module
from survey.export.publish.__main__ import command
from survey.export.publish.description import About
from survey.export.publish.destination import Destination
put, sent = Destination.put, []
def put_some(self, path, file):
    sent.extend([path] if path != module.JOURNAL else [])
    if len(sent) > 22:
        time.sleep(100_000)
    put(self, path, file)
Destination.put = put_some
module._WORKERS = 2
module.publish(Path({str(made.folder)!r}), "s3://bucket/killed", About("Killed"), journal_s=0.0)
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    selector = fs.FileSelector("bucket/killed", recursive=True, allow_not_found=True)
    await_that(lambda: len(store.get_file_info(selector)) >= 20)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    there = Destination.at("s3://bucket/killed").sizes()
    assert JOURNAL in there
    assert SUMS not in there
    finished = len(set(there) - {JOURNAL})
    assert finished
    result = publish(made.folder, "s3://bucket/killed", About("Killed"))
    assert result.num_sent == result.num_files - finished
    assert set(Destination.at("s3://bucket/killed").sizes()) == {*_listed("s3://bucket/killed"), SUMS}
    for path, digest in _listed("s3://bucket/killed").items():
        assert Destination.at("s3://bucket/killed").sha256(path) == digest
    assert publish(made.folder, "s3://bucket/killed", About("Killed")).num_sent == 0


def _listed(where: str) -> dict[str, str]:
    return dict(reversed(line.split("  ")) for line in Destination.at(where).text(SUMS).splitlines())


def test_a_store_that_fails_is_told_and_what_was_sent_is_kept(made, s3, monkeypatch):
    sent = []
    whole = Destination.put

    def put_five(self, path, file):
        sent.append(path)
        if len(sent) > 5:
            with self._errors("be written to"):
                raise OSError("AWS Error NETWORK_CONNECTION")
        whole(self, path, file)

    monkeypatch.setattr(Destination, "put", put_five)
    with pytest.raises(ExportError, match=r"s3://bucket/failed at 127.*NETWORK_CONNECTION.*publish again"):
        publish(made.folder, "s3://bucket/failed", ABOUT)
    monkeypatch.setattr(Destination, "put", whole)
    result = publish(made.folder, "s3://bucket/failed", ABOUT)
    assert result.num_sent == result.num_files - 4  # the fifth was the list of what is there
    assert publish(made.folder, "s3://bucket/failed", ABOUT).num_sent == 0


def test_credentials_in_an_address_are_refused_and_not_repeated(made):
    with pytest.raises(InputError, match="AWS_SECRET_ACCESS_KEY in the environment only") as error:
        publish(made.folder, "s3://key:hushhush@bucket/x", ABOUT)
    assert "hushhush" not in str(error.value)


def test_a_bucket_that_is_not_there_is_told(made, s3):
    with pytest.raises(ExportError, match=r"s3://nobucket/x at 127\.0\.0\.1"):
        publish(made.folder, "s3://nobucket/x", ABOUT)


def test_no_credentials_are_published(made, s3):
    publish(made.folder, "s3://bucket/secret", ABOUT, spaces=made.output.search_spaces.read())
    place = Destination.at("s3://bucket/secret")
    for path in ("README.md", "croissant.json", "columns.md", SUMS):
        assert "testing-secret" not in place.text(path)


# ---------------------------------------------------------------- brought up to date


def test_what_has_not_changed_is_not_sent_again_and_what_is_gone_is_removed(survey, tmp_path):
    where = str(tmp_path / "data")
    for experiment in EXPERIMENTS[:3]:
        survey.train(experiment)
    survey.export()
    first = publish(survey.folder, where, ABOUT)
    before = {path: (tmp_path / "data" / path).stat().st_mtime_ns for path in files(tmp_path / "data")}
    assert publish(survey.folder, where, ABOUT).num_sent == 0
    assert {path: (tmp_path / "data" / path).stat().st_mtime_ns for path in before} == before

    survey.train(EXPERIMENTS[4])
    survey.export()
    second = publish(survey.folder, where, ABOUT)
    # A partition of four tables, the executive summary's one file, the card and the description.
    assert 0 < second.num_sent < first.num_files
    unchanged = [path for path in before if (tmp_path / "data" / path).stat().st_mtime_ns == before[path]]
    assert len(unchanged) == len(before) - (second.num_sent - (second.num_files - first.num_files)) - 1  # SHA256SUMS

    gone = next((survey.folder / "all_repetitions").glob("dataset=*"))
    shutil.rmtree(gone / next(gone.iterdir()).name)
    third = publish(survey.folder, where, ABOUT)
    assert third.num_removed >= 1
    assert set(files(tmp_path / "data" / "all_repetitions")) == set(files(survey.folder / "all_repetitions"))
    folders = [path for path in (tmp_path / "data").rglob("*") if path.is_dir()]
    assert all(any(folder.iterdir()) for folder in folders), "no empty folder is left"


def test_a_file_of_the_same_size_that_no_list_vouches_for_is_read_back(made, tmp_path):
    where = tmp_path / "data"
    publish(made.folder, str(where), ABOUT)
    file = next((where / "complete_summary").rglob("*.parquet"))
    good = file.read_bytes()
    file.write_bytes(good[:-9] + b"?" + good[-8:])
    # As if the upload had been killed before its list named this file.
    lines = (where / SUMS).read_text().splitlines(keepends=True)
    (where / JOURNAL).write_text("".join(line for line in lines if str(file.relative_to(where)) not in line))
    (where / SUMS).unlink()
    result = publish(made.folder, str(where), ABOUT)
    assert result.num_sent == 1
    assert file.read_bytes() == good
    assert not (where / JOURNAL).exists()


def test_what_a_killed_writer_left_is_removed(made, tmp_path):
    where = tmp_path / "data"
    publish(made.folder, str(where), ABOUT)
    left = where / "complete_summary" / ".part-0.parquet.publishing"
    left.write_bytes(b"PAR1")
    assert publish(made.folder, str(where), ABOUT).num_removed == 1
    assert not left.exists()


def test_a_folder_with_other_things_is_refused(made, tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match=r"holds other things, such as thesis\.txt"):
        publish(made.folder, str(tmp_path), ABOUT)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(OutputError, match="is inside the data set"):
        publish(made.folder, str(made.folder / "published"), ABOUT)


def test_what_is_no_data_set_is_refused(survey, tmp_path):
    with pytest.raises(InputError, match="not a data set"):
        publish(tmp_path, str(tmp_path / "data"), ABOUT)
    survey.export()
    with pytest.raises(InputError, match="no experiments in it"):
        publish(survey.folder, str(tmp_path / "data"), ABOUT)
    assert not (tmp_path / "data").exists()


# ---------------------------------------------------------------- the command line


@pytest.mark.launch
def test_the_command_line_publishes_a_survey_and_a_data_set(made, tmp_path):
    line = [sys.executable, "-m", "survey.export", made.output.folder, "--publish", tmp_path / "one"]
    result = subprocess.run([*line, "--licence", "CC0-1.0"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "sent now" in result.stdout
    assert result.stdout.rstrip().endswith("licence CC0-1.0")
    assert (tmp_path / "one" / "search_spaces" / "alpha.yaml").exists()
    described = json.loads((tmp_path / "one" / "croissant.json").read_text())
    assert described["license"] == "https://creativecommons.org/publicdomain/zero/1.0/"

    result = run_here(command, made.folder, tmp_path / "two", "--title", "Two")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "two" / "README.md").read_text().startswith("# Two\n")
