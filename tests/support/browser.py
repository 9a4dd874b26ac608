"""The browser of tests."""

from __future__ import annotations

import shutil


def without_browser() -> str | None:
    """Why browser tests cannot run here, or None."""
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"{' and '.join(missing)} not found on this machine" if missing else None
