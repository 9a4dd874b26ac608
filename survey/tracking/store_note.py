"""The note in an output folder that says where its MLflow store lies, while that is on a disk of a node.

A note is no more than a hint: of a copied output it is that of the original, and an output may come from someone else.
The file that it names is taken only where its folder says that this output has made it (`survey.output.ownership`).
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from survey.output.folder import Output
from survey.output.ownership import has_marker
from survey.system.files import write_text
from survey.text.json_files import read_json

DATABASE_NAME = "mlflow.db"
"""Name of the file, wherever it lies."""


@dataclass(frozen=True)
class StoreNote:
    """Where the file lies.

    Attributes:
        host: The node.
        file: The path there; its folder is for one launch alone.
        artifacts: URI of the location that the launch was given for artifacts; None for the output folder.
    """

    host: str
    file: str
    artifacts: str | None = None

    @classmethod
    def of(cls, output: Output) -> StoreNote | None:
        """Return the note of an output, or None where there is none; one that cannot be read names no host."""
        try:
            return read_json(output.store_note, cls)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return cls("", "")  # a node that nobody can find any more

    def write(self, output: Output) -> None:
        """Replace the note of an output.

        Raises:
            OSError: It cannot be written.
        """
        write_text(output.store_note, json.dumps(asdict(self)))

    def found(self, output: Output) -> Path | None:
        """Return the file, if this is its node and the file exists there, in a folder that this output has made."""
        if self.host != socket.gethostname():
            return None
        folder = Path(self.file).parent
        file = folder / DATABASE_NAME
        try:
            its_own = folder.stat(follow_symlinks=False).st_uid == os.getuid() and has_marker(folder, output.marker)
            return file if its_own and file.is_file() and not file.is_symlink() else None
        except OSError:
            return None


def live_database(output: Output) -> Path:
    """Return the file that has the latest word on an output, for those that only read."""
    note = StoreNote.of(output)
    return (note and note.found(output)) or output.database
