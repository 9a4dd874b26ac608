"""The pages of the documentation, and the code in them."""

from __future__ import annotations

import re
from pathlib import Path


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code of a language, as it stands in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", read(page), flags=re.MULTILINE | re.DOTALL)
