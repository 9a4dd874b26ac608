"""A cell of a notebook that is interrupted at each stage of `survey.run`, and the next one, which goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.support.awaiting import HANGS_S
from tests.support.launching import numbers
from tests.support.paths import ROOT
from tests.support.small_survey import RUNS, write_space

TRAINS = r"\b[1-9]\d* running  0 failed"
CONTINUE = "launch again with the same arguments to continue"


class Notebook:
    """A kernel, in which cells are run and interrupted.

    Args:
        folder: Its working folder.
    """

    def __init__(self, folder: Path) -> None:
        self._kernel = KernelManager()
        self._kernel.start_kernel(cwd=str(folder))
        self._client: BlockingKernelClient = self._kernel.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=HANGS_S)

    def stop(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._kernel.shutdown_kernel(now=True)

    def run(self, code: str, *, interrupt_at: str = "") -> str:
        """Run a cell; interrupt it as soon as it shows this pattern. Return all that it has shown, in order."""
        asked, shown, waits = self._client.execute(code), [], bool(interrupt_at)
        while True:
            message = self._client.get_iopub_msg(timeout=HANGS_S)
            if message["parent_header"].get("msg_id") != asked:
                continue
            shown.append(_text(message))
            if waits and re.search(interrupt_at, shown[-1]):
                waits = False
                self._kernel.interrupt_kernel()
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                assert not waits, f"{interrupt_at!r} was not shown:\n{''.join(shown)}"
                return "\n".join(shown)


def _text(message: dict[str, Any]) -> str:
    """The text of a message of a kernel: what a cell prints, shows, or fails with."""
    content = message["content"]
    if message["msg_type"] == "error":
        return "\n".join(re.sub(r"\x1b\[[\d;]*m", "", line) for line in content["traceback"])
    return content.get("text") or content.get("data", {}).get("text/plain", "")


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    started = Notebook(tmp_path)
    yield started
    started.stop()


@pytest.mark.launch
def test_a_cell_is_interrupted_at_each_stage_and_the_next_goes_on(notebook: Notebook, undisturbed: Path, tmp_path):
    write_space(tmp_path)
    notebook.run("import survey")
    cell = "result = survey.run('small.yaml', out='out')"
    for stage in ("planning", "starting Ray"):
        shown = notebook.run(cell, interrupt_at=stage)
        assert f"KeyboardInterrupt: interrupted: {CONTINUE}" in shown
        assert shown.count("\n---->") <= 2, "the cell, and `survey.run`: not where in a library it happened"
    shown = notebook.run(cell, interrupt_at=TRAINS)
    assert "stopping" in shown
    assert re.search(rf"interrupted: {CONTINUE} \(\d+ runs of \d experiments? (is|are) missing\)", shown)
    assert "Traceback" not in shown
    assert notebook.run("result.interrupted").strip().endswith("True")
    for stage in ("exporting", "writing the report"):
        shown = notebook.run(cell, interrupt_at=stage)
        assert f"KeyboardInterrupt: interrupted: {CONTINUE}" in shown
    shown = notebook.run(f"{cell}\nprint(result)")
    assert f"{RUNS} of {RUNS} runs done; nothing left to train" in shown
    assert numbers(tmp_path / "out") == numbers(undisturbed)
    assert (tmp_path / "out" / "report" / "index.html").exists()
