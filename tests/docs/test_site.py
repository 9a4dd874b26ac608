"""What the site makes of files that are no pages of `docs/`: README.md and others at the top, and the notebook."""

from __future__ import annotations

import importlib.util
import json
import re
from typing import Any

import pytest

from tests.support.paths import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def conf() -> Any:
    """The configuration of the site, which is a module of Python."""
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(conf: Any, name: str) -> str:
    """A page of the site as it is parsed, whose own text is `own`."""
    source = ["own"]
    conf.read_source(None, name, source)
    return source[0]


def test_links_of_files_at_the_top_lead_to_pages(conf):
    pages = [page(conf, name) for name in conf.FILES]
    links = [link for text in pages for link in re.findall(r"\]\(([^)\s#]+)", text) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not (DOCS / link).exists()] == []
    assert {"functions.md", "zones.png", "../LICENSE", "contributing.md", "changelog.md"} <= set(links)
    assert "../CONTRIBUTING.md" not in links


def test_other_pages_stay_as_they_are(conf):
    assert page(conf, "keys") == "own"
    assert page(conf, "index").endswith("\n\nown")


def test_files_are_shown_and_not_saved(conf):
    context = {"body": '<a class="download" download="" href="my_net.py">'}
    conf.open_files(None, "examples", "page.html", context, None)
    assert context == {"body": '<a class="download" href="my_net.py">'}


def test_a_notebook_is_shown_with_its_outputs(conf, tmp_path):
    outputs = [
        {"output_type": "stream", "text": ["one\n", "two\n"]},
        {"output_type": "execute_result", "data": {"text/plain": ["a frame"], "text/html": ["<table>\n", "</table>"]}},
        {"output_type": "display_data", "data": {"image/png": "aGk=\n", "text/plain": "<Figure>"}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["read()"], "outputs": outputs},
    ]
    file = tmp_path / "notebook.ipynb"
    file.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    text = conf._text(file)
    assert text.startswith("# Title\ntext\n\n```python\nread()\n```")
    assert "```text\none\ntwo\n" in text
    assert "<table>\n</table>" in text
    assert 'src="data:image/png;base64,aGk="' in text
    assert "a frame" not in text
