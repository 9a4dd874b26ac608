"""A home folder for a user who has none, as in a container that runs with any user id.

Libraries keep settings and caches there, and some cannot even be imported without one.
"""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from pathlib import Path

from survey.errors import InputError


def ensure_home() -> None:
    """See that this process and those that it starts have a home folder, and a folder for the caches of matplotlib.

    What is missing becomes a temporary folder, which is removed when this process ends. A home that can be read but
    not written stays: it may hold credentials or fetched data.
    """
    home = _home()
    if home and (os.access(home, os.W_OK) or "MPLCONFIGDIR" in os.environ):
        return
    from survey.system.private_folder import PrivateFolder

    with suppress(InputError):  # what needs the folder then says so itself
        folder = PrivateFolder()
        folder.__enter__()
        atexit.register(folder.__exit__)
        os.environ["MPLCONFIGDIR" if home else "HOME"] = str(folder.path)


def _home() -> Path | None:
    """The home folder, of HOME or of the system's list of users, if there is such a folder."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if home.is_absolute() and os.access(home, os.R_OK | os.X_OK) else None
