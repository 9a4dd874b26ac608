"""The documentation says what the code does: examples, definitions, links."""

from __future__ import annotations

import ast
import doctest
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from survey.dataset import columns_page
from survey.dataset.schema import repetition_schema, summary_schema
from survey.errors import SearchSpaceError
from survey.networks.columns import COLUMNS
from survey.spaces.yaml_file import load_space
from survey.tasks.own import UserTask
from survey.tasks.prepare import prepare
from tests.support.pages import blocks, read
from tests.support.paths import ROOT

README = ROOT / "README.md"
SPACES = ROOT / "docs" / "search_spaces.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_columns_that_are_said_to_be_ours_exist():
    names = {*repetition_schema(COLUMNS, []).names, *summary_schema(COLUMNS, []).names}
    assert {*columns_page.not_published(COLUMNS), *columns_page.PUBLISHED_TYPES} <= names


def test_the_columns_that_are_ours_are_in_the_definitions():
    page = read(ROOT / "docs" / "definitions.md")
    ours = [name for name in columns_page.not_published(COLUMNS) if not name.startswith("initial_")]
    assert [name for name in ours if f"`{name}`" not in page] == []
    assert "`initial_NAME`" in page


def test_the_data_card_has_the_differences_of_the_definitions():
    differences = read(ROOT / "survey" / "export" / "publish" / "differences.md")
    assert read(ROOT / "docs" / "definitions.md").endswith("\n" + differences)


@pytest.mark.parametrize("text", [*blocks(README, "yaml"), *blocks(SPACES, "yaml")])
def test_search_spaces_of_the_readme_and_of_their_page_load(text, tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(text, encoding="utf-8")
    (tmp_path / "my_net.py").write_text(blocks(README, "python")[0], encoding="utf-8")
    try:
        assert load_space(file).name in text
    except SearchSpaceError as error:
        pytest.fail(str(error))


def test_the_function_of_the_readme_learns():
    there: dict[str, Any] = {}
    exec(compile(blocks(README, "python")[0], "my_net.py", "exec"), there)
    losses = [metrics["test_loss"] for metrics in there["train"](seed=2**63 - 1, width=16, penalty=0.1, epochs=5)]
    assert losses[-1] < 0.8 * losses[0]


def test_every_key_of_a_task_of_your_own_is_in_its_page():
    named = re.findall(r"^\| `([a-z_]+)` \|", read(ROOT / "docs" / "data.md"), flags=re.MULTILINE)
    assert sorted(named) == sorted(UserTask.keys())


@pytest.mark.parametrize("text", blocks(ROOT / "docs" / "data.md", "yaml"))
def test_search_spaces_of_the_page_of_data_load(text, tmp_path):
    (tmp_path / "space.yaml").write_text(text, encoding="utf-8")
    assert load_space(tmp_path / "space.yaml").name in text


def test_the_table_of_the_page_of_preparation_becomes_what_the_page_says():
    page = read(ROOT / "docs" / "preparation.md")
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (\w+) \| (\w+) \|$", page, flags=re.MULTILINE)
    frame = pd.DataFrame(rows, columns=["age", "colour", "vendor", "sold"]).astype({"age": int})
    task = UserTask.model_validate(
        {"data": frame.assign(price=range(len(rows))), "target": "price", "kind": "regression"}
    )
    prepared = prepare(task.read("table"), "regression")
    assert prepared.preparation
    assert prepared.preparation.dropped == ("vendor",)
    one_hot = [frame[name] == value for name in ("age", "colour") for value in sorted(set(frame[name]))]
    assert prepared.inputs.T.tolist() == [column.tolist() for column in (*one_hot, frame["sold"] == "yes")]


def test_the_tasks_of_the_example_are_valid(tmp_path):
    text = (ROOT / "survey" / "spaces" / "example.yaml").read_text(encoding="utf-8")
    tasks = text[text.index("# tasks:") :].replace("# ", "", 1).replace("\n# ", "\n").replace("\n#", "\n")
    (tmp_path / "space.yaml").write_text(text[: text.index("# tasks:")] + tasks, encoding="utf-8")
    assert set(load_space(tmp_path / "space.yaml").tasks) == {"mine", "sales"}


def test_the_readme_says_how_large_the_built_in_survey_is():
    space = load_space("quickstart")
    experiments, runs = len(space.experiments()), len(space.experiments()) * space.repetitions
    assert f"{experiments} experiments, {space.repetitions} runs each" in read(README)
    plan = read(ROOT / "docs" / "first_survey.md")
    assert re.search(rf"^experiments +{experiments}$", plan, flags=re.MULTILINE)
    assert re.search(rf"^runs +{runs}$", plan, flags=re.MULTILINE)


def test_the_readme_is_short_and_has_examples():
    assert len(read(README).splitlines()) <= 150
    assert blocks(README, "yaml")
    assert blocks(README, "python")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_a_page_compiles(page):
    for text in blocks(page, "python"):
        if not text.startswith(">>>"):
            ast.parse(text, filename=page.name)


def test_examples_of_identity_give_what_they_print():
    page = ROOT / "docs" / "identity.md"
    text = "\n".join(blocks(page, "python"))
    example = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    result = doctest.DocTestRunner(verbose=False).run(example)
    assert result.attempted > 5
    assert result.failed == 0


@pytest.mark.launch
def test_examples_of_the_analysis_page_run(tmp_path, monkeypatch, capsys):
    from tests.support.analysis_data import as_published, bowl, experiment, write_data_set
    from tests.support.s3_server import S3

    def panel(dataset):
        # The larger the network, the earlier and the lower its minimum.
        surfaces = {2**k: bowl(0.5 / k, k, 3000 / k**2) for k in range(8, 16)}
        return [experiment(dataset, "rectangle", 3, size, surface, epochs=120) for size, surface in surfaces.items()]

    for name in ("quickstart", "quickstart_again", "chosen"):
        write_data_set(tmp_path / "surveys" / name / "dataset", panel("sklearn:digits"), 5)
    butter = write_data_set(tmp_path / "butter", panel("mnist"), schema_of=as_published)
    (butter / "depth_sweep_summary").rename(butter / "primary_sweep_summary")
    server = S3()
    server.put(
        "oedi-data-lake", {str(f.relative_to(tmp_path)): f.read_bytes() for f in butter.rglob("*") if f.is_file()}
    )
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    monkeypatch.chdir(tmp_path)
    there: dict[str, Any] = {}
    try:
        for text in blocks(ROOT / "docs" / "analysis.md", "python"):
            exec(compile(text, "analysis.md", "exec"), there)
    finally:
        server.stop()
    assert len(there["published"]) == len(there["frame"]) == 8
    assert len(there["least"]) == 40
    assert len(there["too_good"]) == 8
    assert set(there["first"]["test_loss_median"].map(len)) == {100}
    assert there["first"]["test_loss_min_epoch_median"].max() <= 100
    assert there["long"]["epoch"].max() == 120
    assert there["m"] > 0
    assert there["c"] > 0
    assert len(there["compared"]) == 8
    assert there["two"].low < there["two"].difference < there["two"].high
    assert len(there["band"]) == 8 * 120
    assert there["matters"]["effect"].tolist() == ["size", "repetitions"]
    assert there["drawn"].landmark_samples.shape == (100, 8, 3)
    assert "descent_slope" in capsys.readouterr().out


def test_examples_of_the_page_of_comparing_run(tmp_path, monkeypatch, capsys):
    from tests.support.analysis_data import bowl, experiment, write_data_set

    shapes = [experiment("sklearn:digits", "rectangle", 3, 2**k, bowl(1 / k, k, 90), epochs=120) for k in (10, 11)]
    write_data_set(tmp_path / "surveys" / "quickstart" / "dataset", shapes, 5)
    monkeypatch.chdir(tmp_path)
    there: dict[str, Any] = {}
    for text in blocks(ROOT / "docs" / "comparing.md", "python"):
        exec(compile(text, "comparing.md", "exec"), there)
    assert capsys.readouterr().out.startswith(f"{1 / 11 - 1 / 10:.4f} ± 0.000")
    assert set(there["runs"]["val_loss"].map(len)) == {100}


def test_examples_of_the_page_of_conclusions_run(tmp_path, monkeypatch, capsys):
    from tests.support.analysis_data import grid, write_data_set

    rows = [row for row in grid() if row["size"] < 4096]
    write_data_set(tmp_path / "surveys" / "quickstart" / "dataset", rows)
    monkeypatch.chdir(tmp_path)
    there: dict[str, Any] = {}
    for text in blocks(ROOT / "docs" / "conclusions.md", "python"):
        exec(compile(text, "conclusions.md", "exec"), there)
    printed = capsys.readouterr().out
    assert printed.startswith("test loss of size 2048 less that of size 1024: ")
    assert "val_loss_high" in printed
    assert "depth × size" in printed


def test_filters_of_the_mlflow_page_are_understood():
    from mlflow.utils.search_utils import SearchUtils

    (text,) = blocks(ROOT / "docs" / "mlflow.md", "text")
    for filter_string in text.splitlines():
        assert SearchUtils.parse_search_filter(filter_string), filter_string


def test_the_mlflow_page_has_every_tag_and_parameter():
    from survey.networks.experiment import NetworkExperiment
    from survey.networks.metrics import METRICS
    from survey.tracking import tags, trial_run

    penalty = {"kernel_regularizer_type": "l1", "kernel_regularizer_l1": 0.1}
    experiment = NetworkExperiment(dataset="mnist", shape="rectangle", size=1024, depth=3, **penalty)
    settings = trial_run.TrackingSettings("sqlite://", "1", True, True, METRICS, git_commit="abc")
    params = {"num_free_parameters": 1000, "widths": (5, 10)}
    trial = trial_run.TrackedTrial(experiment, [0, 1], 2, params, "t1")
    parent = trial_run.parent_run(settings, trial, start_time_ms=0)
    child = trial_run.child_run(parent, experiment, 0)
    page = read(ROOT / "docs" / "mlflow.md")
    names = {*parent.tags, *parent.params, *child.tags, *child.params, tags.OUTPUT}
    assert sorted(name for name in names if f"`{name}`" not in page) == []


def test_metrics_and_limits_of_the_mlflow_page_are_those_of_the_code():
    from survey.launch import planning
    from survey.networks.metrics import METRICS, STATISTICS, WITHOUT_VALIDATION
    from survey.tracking import trial_run

    page = read(ROOT / "docs" / "mlflow.md")
    assert [name for name in STATISTICS if f"`{name}`" not in page] == []
    assert f"{WITHOUT_VALIDATION.num_rows} keys for each recorded epoch" in page
    assert f"has {WITHOUT_VALIDATION.num_run_rows}: " in page
    assert f"{METRICS.num_rows} keys, and {METRICS.num_run_rows} of a repetition's run" in page
    assert f"at most {trial_run.LOG_EPOCHS} for each run" in page
    assert f"{planning.METRIC_ROW_BUDGET:,} metric rows" in page
    assert f"{planning.REPETITION_RUN_LIMIT:,} runs" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_point_to_files(page):
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", read(page))]
    relative = [target for target in targets if target and not re.match(r"[a-z]+:", target)]
    assert [target for target in relative if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    named = re.findall(r"`((?:survey|analysis|docs|search_spaces)/[A-Za-z0-9_/]*(?:\.[a-z]+)?)`", read(page))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_each_part_of_the_tests_has_a_command_that_is_told():
    settings = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["pytest"]["ini_options"]
    markers = [marker.partition(":")[0] for marker in settings["markers"]]
    commands = dict(re.findall(r"^(test-\w+): MARKER := (\w+)$", read(ROOT / "Makefile"), flags=re.MULTILINE))
    assert list(commands.values()) == markers
    assert f"-m 'not ({' or '.join(markers)})'" in settings["addopts"]
    assert [command for command in commands if f"`make {command}`" not in read(ROOT / "CONTRIBUTING.md")] == []


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load(read(ROOT / "CITATION.cff"))
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    assert citation["cff-version"] == "1.2.0"
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    assert citation["license"] == project["license"]
    assert all({"type", "title", "authors"} <= set(reference) for reference in citation["references"])
    assert {"message", "authors"} <= set(citation)


def tracked_files() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return []
    answer = subprocess.run([git, "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True)
    files = [ROOT / name for name in answer.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def test_no_file_has_paths_of_a_machine():
    files = {*tracked_files(), *PAGES}
    # Put together here, so that this file does not have them.
    paths = [f"/{folder}/".encode() for folder in ("work", "root")]
    assert [str(f.relative_to(ROOT)) for f in sorted(files) if any(path in f.read_bytes() for path in paths)] == []
