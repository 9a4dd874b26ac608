"""The files that the runs of an experiment leave, until MLflow has them."""

from __future__ import annotations

import shutil
from pathlib import Path

from survey.system.private_folder import PrivateFolder


class RunFiles:
    """A folder for each run of an experiment, in one that lies beside their checkpoint.

    So who goes on from the checkpoint finds the files too. Where there can be no checkpoint, as on a worker that lacks
    the output folder, it is a temporary folder, which the next launch removes if this process is killed.

    Args:
        beside: The folder beside the checkpoint; None where there can be none.
    """

    def __init__(self, beside: Path | None) -> None:
        if beside is None:
            self._temporary = PrivateFolder().__enter__()
            self._folder = self._temporary.path
        else:
            self._temporary, self._folder = None, beside

    def of(self, seed: int) -> Path:
        """Return the folder of the run with this seed; the run makes it."""
        return self._folder / f"{seed:016x}"

    def leave(self) -> None:
        """Leave the files for a trial that goes on; what lies in a temporary folder is lost."""
        if self._temporary:
            self._temporary.__exit__()

    def remove(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.leave()
