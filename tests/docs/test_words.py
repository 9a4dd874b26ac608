"""Words that could mean two things are used as docs/glossary.md has them, in pages and in what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.pages import read
from tests.support.paths import ROOT

OF_OTHERS = ("CHANGELOG.md", "moving.md")
"""What was said once, and what other tools call a study."""

PAGES = [page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if page.name not in OF_OTHERS]
CODE = [file for room in ("survey", "analysis") for file in (ROOT / room).rglob("*") if file.suffix in (".py", ".yaml")]


def lines_with(pattern: str, files: list[Path]) -> list[str]:
    """Lines with a pattern, each after the name of its file."""
    found = ((file, line) for file in files for line in read(file).splitlines() if re.search(pattern, line))
    return [f"{file.relative_to(ROOT)}: {line.strip()}" for file, line in found]


def test_words_that_overlap_elsewhere_are_in_the_glossary():
    page = read(ROOT / "docs" / "glossary.md")
    words = (
        "search space",
        "grid",
        "axis",
        "task",
        "experiment",
        "run",
        "survey",
        "launch",
        "data set",
        "sweep",
        "`batch`",
    )
    assert [word for word in words if f"\n| {word} |" not in page] == []


def test_sweep_is_a_word_of_the_published_data_alone():
    theirs = r"published|eight|layout|sweep=|--sweep"
    assert [line for line in lines_with(r"\bsweeps?\b", PAGES) if not re.search(theirs, line)] == []


def test_what_is_learned_is_a_task_or_its_table_and_no_data_set():
    pattern = r"(?:PMLB|own) data sets?\b|\bdata sets? (?:of|that come with|from) (?:PMLB|scikit-learn)"
    assert lines_with(pattern, [*PAGES, *CODE]) == []
