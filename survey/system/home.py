"""The folders of a user: a home for those without one, as in a container with an arbitrary user id, and a cache.

Libraries keep settings and caches there, and some cannot even be imported without it.
"""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from pathlib import Path

from survey.errors import InputError


def ensure_home() -> None:
    """Give this process and its children a home folder, and a folder for the caches of matplotlib, if they have none.

    The new one is temporary and removed when this process ends. A home that is readable but not writable stays: it may
    have credentials or fetched data.
    """
    home = _home()
    if home and (os.access(home, os.W_OK) or "MPLCONFIGDIR" in os.environ):
        return
    from survey.system.private_folder import PrivateFolder

    with suppress(InputError):  # code that needs the folder reports it
        folder = PrivateFolder()
        folder.__enter__()
        atexit.register(folder.__exit__)
        os.environ["MPLCONFIGDIR" if home else "HOME"] = str(folder.path)


def user_cache() -> Path:
    """Return the folder of what can be fetched or made again, `SURVEY_CACHE_DIR` if that is set; it need not exist."""
    import pooch

    override = os.environ.get("SURVEY_CACHE_DIR")
    return Path(override).expanduser() if override else Path(pooch.os_cache("training-survey"))


def _home() -> Path | None:
    """The home folder, from HOME or the system's list of users, if it can be read."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if home.is_absolute() and os.access(home, os.R_OK | os.X_OK) else None
