"""The browser of tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any


def without_browser() -> str | None:
    """Why browser tests cannot run here, or None."""
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"{' and '.join(missing)} not found on this machine" if missing else None


def chromium(profile: Path, *, downloads: Path | None = None) -> Any:
    """A driver of a headless Chromium with a profile of its own, which saves files in `downloads`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--window-size=1500,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    if downloads:
        downloads.mkdir()
        several = "profile.default_content_setting_values.automatic_downloads"
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads), several: 1})
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
