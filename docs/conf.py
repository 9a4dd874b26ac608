"""How Sphinx makes a site of this folder: `make docs`. Its pages are Markdown that reads on a code host too."""

from __future__ import annotations

import json
import posixpath
import re
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

project = "training-survey"
release = metadata.version(project)
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]

# Every heading has the anchor that code hosts give it; a link to a page or an anchor that does not exist is a warning,
# and `make docs` fails at warnings.
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # code with `...` where something is left out

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what arguments are
default_role = "code"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# All fonts and scripts are part of the site: it reads, and is searched, from a file and without a network.
html_theme = "furo"
html_title = f"{project} {release}"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["site"]
html_css_files = ["site.css"]
copybutton_prompt_text = ">>> "

FILES = {
    "index": Path("README.md"),
    "changelog": Path("CHANGELOG.md"),
    "contributing": Path("CONTRIBUTING.md"),
    "notebook": Path("docs/report.ipynb"),
}
"""Pages that begin with the text of another file of the repository."""

_LINK = re.compile(r"\]\(([^)\s]+)\)")


def setup(app: Any) -> None:
    """Read pages as `read_source` does, and write them as `open_files` does."""
    app.connect("source-read", read_source)
    app.connect("html-page-context", open_files)


def read_source(app: Any, name: str, source: list[str]) -> None:
    """Put the file that a page begins with before its text, with links as they are from `docs/`."""
    if file := FILES.get(name):
        text = _LINK.sub(lambda link: f"]({_from_docs(link[1], file.parent)})", _text(ROOT / file))
        source[0] = f"{text}\n\n{source[0]}"


def open_files(app: Any, name: str, template: str, context: dict[str, Any], document: Any) -> None:
    """Let a browser show the files that a page links to, such as examples, in place of saving them."""
    if "body" in context:
        context["body"] = context["body"].replace(' download="" ', " ")


def _from_docs(target: str, folder: Path) -> str:
    """Return the target of a link in a file of this folder as it is from a page of the site."""
    path, hash_, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return target
    path = posixpath.normpath(folder / path)
    page = next((f"{name}.md" for name, file in FILES.items() if str(file) == path), None)
    return (page or posixpath.relpath(path, "docs")) + hash_ + anchor


def _text(file: Path) -> str:
    """Return a file as Markdown."""
    text = file.read_text(encoding="utf-8")
    return "\n\n".join(map(_cell, json.loads(text)["cells"])) if file.suffix == ".ipynb" else text


def _cell(cell: dict[str, Any]) -> str:
    text = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return text
    return "\n\n".join([f"```python\n{text}\n```", *map(_output, cell["outputs"])])


def _output(output: dict[str, Any]) -> str:
    data = {kind: "".join(lines) for kind, lines in output.get("data", {}).items()}
    if "image/png" in data:
        picture = data["image/png"].replace("\n", "")
        return f'```{{raw}} html\n<img alt="" src="data:image/png;base64,{picture}">\n```'
    if "text/html" in data:
        return f"````{{raw}} html\n{data['text/html']}\n````"
    return f"```text\n{data.get('text/plain', ''.join(output.get('text', '')))}\n```"
