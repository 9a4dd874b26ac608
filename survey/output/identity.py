"""Whose an output is: `survey.json` in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from survey.errors import OutputError
from survey.system.files import write_text
from survey.text.json_files import read_json
from survey.workloads.registry import NETWORKS


@dataclass(frozen=True)
class Identity:
    """What an output says of itself.

    Attributes:
        output_id: By which MLflow experiments in a shared store are its own: 32 hexadecimal digits.
        contents: Digest of the prepared data of each task that is a user's own, by name.
        training_version: Version of the definitions by which its runs are trained.
        workload: Name of what is surveyed in it.
        about: For one of a family of workloads, its description, see `survey.workloads.registry.workload_named`.
    """

    output_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    contents: dict[str, str]
    training_version: Annotated[int, Field(ge=1)] = 1  # which did not say it
    workload: str = NETWORKS
    about: str = ""

    @classmethod
    def read(cls, file: Path) -> Identity:
        """Read the identity of an output.

        Raises:
            OutputError: The file is missing, or damaged.
        """
        try:
            return read_json(file, cls)
        except (OSError, ValueError) as error:
            raise OutputError(f"{file}: cannot be read: {error}") from None

    def write(self, file: Path) -> None:
        """Write it to a file."""
        write_text(file, json.dumps(asdict(self)))
