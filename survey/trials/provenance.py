"""Where the survey's own source comes from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def git_commit() -> str:
    """Commit of the survey's own source, or an empty string where it is not a checkout."""
    git = shutil.which("git")
    root = Path(__file__).resolve().parents[2]
    if not git or not (root / ".git").exists():
        return ""
    answer = subprocess.run([git, "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip()
