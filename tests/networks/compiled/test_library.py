"""The compiled library: where it is, and where it is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from survey.networks.compiled import library

SOURCES = Path(library.__file__).parent


def test_both_sides_of_the_interface_say_the_same():
    text = (SOURCES / "interface.h").read_text(encoding="utf-8")
    constants = dict(re.findall(r"constexpr \w+ (\w+) = (\d+);", text))
    assert constants == {"INTERFACE_VERSION": str(library.INTERFACE_VERSION), "MOST_LAYERS": str(library.MOST_LAYERS)}
    for structure in (library.Experiment, library.Rows, library.States, library.Updates):
        body = re.search(rf"struct {structure.__name__} {{(.*?)}};", text, re.DOTALL)
        assert body
        declared = re.sub(r"//.*", "", body[1])
        names = re.findall(r"[\s*](\w+)(?:\[MOST_LAYERS\])?\s*[,;]", declared)
        assert names == [name for name, *_ in structure._fields_]


@pytest.mark.parametrize("what", ["missing", "broken", "older"])
def test_without_a_library_of_these_sources_there_is_no_unit(what, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    if what == "broken":
        (tmp_path / "_core.abi3.so").write_bytes(b"no library")
    if what == "older":
        built = next(SOURCES.glob("_core*.so"), None)
        if built is None:
            pytest.skip("no compiled core was built")
        (tmp_path / "_core.abi3.so").write_bytes(built.read_bytes())
        monkeypatch.setattr(library, "INTERFACE_VERSION", -1)
    assert library.units.__wrapped__() == ()
