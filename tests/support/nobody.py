"""A launch where nothing is as usual: a user without name and home, misleading names all around, no good TMPDIR."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_USER = "12345"
_FORBIDDEN = "raise SystemExit('this is not what you want to import')\n"


def launch_as_nobody(folder: Path, *arguments: object) -> tuple[int, str]:
    """Run `python -m survey.launch` in a folder; return its exit status and what it said.

    By another user where this one may become another, who can read all files but write only where anyone may.
    """
    misleading = folder / "misleading"
    for name in ("analysis", "search_spaces"):
        (misleading / name).mkdir(parents=True)
        (misleading / name / "__init__.py").write_text(_FORBIDDEN)
    (misleading / "mlflow.py").write_text(_FORBIDDEN)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "OMP_NUM_THREADS") if name in os.environ}
    process = subprocess.run(
        [*as_nobody(folder), sys.executable, "-m", "survey.launch", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=misleading,
        env={**kept, "TMPDIR": str(misleading / f"naïve {'x' * 100}"), "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=300,
        check=False,
    )
    return process.returncode, process.stdout


def as_nobody(folder: Path) -> list[str]:
    """What a command has to begin with, to be run by a user without a name and a home."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or not setpriv:
        return ["env", "HOME=/nonexistent"]
    for each in (folder, *folder.rglob("*")):
        os.chown(each, int(_USER), int(_USER))
    # It is to find the interpreter and this package, wherever they lie.
    may_read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [setpriv, f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", *may_read]
