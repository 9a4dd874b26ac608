"""Proof that an output has made a folder that lies outside of it, without which nothing in that folder is removed.

What an output says of itself proves nothing: it may be a copy of another one, or come from someone else. So the folder
itself says whose it is, in a file that names the output's identity and its folder.
"""

from __future__ import annotations

import json
from pathlib import Path

MARKER = "survey-output.json"
"""Name of that file."""


def marker_of(output_id: str, folder: Path) -> str:
    """Return what that file says for the output of an identity at a folder."""
    return json.dumps({"output_id": output_id, "folder": str(folder.resolve())})


def mark(folder: Path, marker: str) -> None:
    """Say in a folder whose it is."""
    (folder / MARKER).write_text(marker, encoding="utf-8")


def has_marker(folder: Path, marker: str) -> bool:
    """Whether a folder says that it is that output's: neither a copy's nor one's that was moved."""
    try:
        return (folder / MARKER).read_text(encoding="utf-8") == marker
    except (OSError, ValueError):
        return False
