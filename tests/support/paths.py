"""Where things lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

PMLB = ROOT.parent / "shared" / "data" / "pmlb"
