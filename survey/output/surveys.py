"""The surveys of a working folder: the outputs in its folder `surveys`, where launches put them by default."""

from __future__ import annotations

from pathlib import Path

from survey.output.folder import SURVEYS, Output
from survey.output.launch_record import read_record


def surveys_in(folder: Path = SURVEYS) -> list[Output]:
    """Return the outputs that lie in a folder, the one that was launched last first; none where there is no folder."""
    files = folder.absolute().glob("*/survey.json")
    return sorted((Output(file.parent) for file in files), key=_launched_s, reverse=True)


def _launched_s(output: Output) -> float:
    """When the last launch was heard of, in seconds since 1970; 0 where no record of one can be read."""
    record = read_record(output)
    return record.updated_s if record else 0.0
