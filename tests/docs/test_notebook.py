"""The notebook in `docs/` is kept as it ran, with its outputs, and runs as it stands."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.awaiting import HANGS_S
from tests.support.paths import ROOT

NOTEBOOK = nbformat.read(ROOT / "docs" / "report.ipynb", as_version=4)
CODE = [cell for cell in NOTEBOOK.cells if cell.cell_type == "code"]
NUM_PICTURES = 6


def outputs(cells: list[Any]) -> list[Any]:
    return [output for cell in cells for output in cell.outputs]


def pictures(cells: list[Any]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(cells))


def complaints(cells: list[Any]) -> list[Any]:
    """Errors, and what libraries say on standard error."""
    return [each for each in outputs(cells) if each.output_type == "error" or each.get("name") == "stderr"]


def test_the_notebook_is_kept_as_it_ran():
    assert [cell.execution_count for cell in CODE] == list(range(1, len(CODE) + 1))
    assert [cell.source for cell in CODE[1:] if not cell.outputs] == []
    assert complaints(CODE) == []
    assert pictures(CODE) == NUM_PICTURES
    tables = [each for each in outputs(CODE) if "text/html" in each.get("data", {})]
    assert len(tables) >= 4, "search space, price, result and frames"


def test_the_notebook_shows_nothing_of_the_machine_that_it_ran_on():
    text = json.dumps([cell.outputs for cell in CODE])
    assert not re.search(r"/(?:home|root|tmp|work|Users)\b|127\.0\.0\.1|localhost", text)


def test_the_notebook_has_public_names_alone():
    """Those that `survey`, `analysis` and `analysis.figures` name, and nothing that is within them."""
    tree = ast.parse("\n".join(cell.source for cell in CODE))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert modules == {"pathlib", "survey", "analysis", "analysis.figures"}
    for node in imports:
        if isinstance(node, ast.ImportFrom) and node.module != "pathlib":
            public = importlib.import_module(str(node.module)).__all__
            assert [each.name for each in node.names if each.name not in public] == []
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert [node.attr for node in attributes if node.attr.startswith("_")] == []
    survey = importlib.import_module("survey")
    of_survey = [each.attr for each in attributes if isinstance(each.value, ast.Name) and each.value.id == "survey"]
    assert set(of_survey) <= set(survey.__all__)
    assert {"dry_run", "run", "SearchSpace", "Grid"} <= set(of_survey)


class Watched(NotebookClient):
    """A notebook's client that keeps what is renewed while cells run."""

    renewed: tuple[str, ...] = ()

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "update_display_data":
            self.renewed = (*self.renewed, msg["content"]["data"]["text/plain"])
        assert msg["msg_type"] != "clear_output", "which would take away what is printed"
        return super().process_message(msg, cell, cell_index)


@pytest.mark.launch
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.from_dict(NOTEBOOK)
    client = Watched(notebook, timeout=HANGS_S, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert complaints(cells) == []
    assert pictures(cells) == NUM_PICTURES
    assert (tmp_path / "surveys" / "sizes" / "report" / "index.html").is_file()
    shown = "\n".join(client.renewed)
    for words in ("starting Ray", "runs done", "exporting", "writing the report"):
        assert words in shown
    assert client.renewed[-1] == "", "nothing is left of it"
