"""The notebook in `docs/` is executed as it stands, and kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.analysis_data import bowl, experiment, write_data_set
from tests.support.awaiting import HANGS_S
from tests.support.paths import ROOT

NOTEBOOK = ROOT / "docs" / "report.ipynb"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        experiment(task, "rectangle", depth, 2**power, bowl(0.1 * depth, 9, 20), learning_rate=rate)
        for task in ("nursery", "connect_4")
        for depth in (2, 3)
        for rate in (1e-3, 1e-4)
        for power in range(6, 12)
    ]
    return write_data_set(tmp_path_factory.mktemp("notebook") / "dataset", rows, repetitions=5)


@pytest.mark.launch
def test_the_notebook_runs(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURVEY_DATASET", str(dataset))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=HANGS_S, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 6
    assert (tmp_path / "report_of_notebook" / "index.html").is_file()


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
