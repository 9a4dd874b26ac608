"""The command `survey ui` where there is nothing to show; test_messages.py has it where there is."""

from __future__ import annotations

from survey.output.folder import Output
from survey.ui import ui
from tests.support.commands import run_here


def test_where_there_is_nothing_to_show_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, told in (([], "give the output folder of one"), (["nowhere"], "there is no survey here")):
        result = run_here(ui, *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert told in result.stderr
    Output.at("surveys/first").prepare()
    result = run_here(ui)
    assert result.returncode == 2
    assert "surveys/first: has no MLflow store of its own" in result.stderr
