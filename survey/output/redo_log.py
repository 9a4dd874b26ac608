"""Which MLflow runs `--redo` has superseded: `redo.json` of an output folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from survey.errors import OutputError
from survey.system.files import write_text
from survey.text.json_files import read_json

_MOST_BYTES = 100_000_000
"""Of the file, which has some 40 bytes for each MLflow run."""


@dataclass(frozen=True)
class RedoLog:
    """The ids of superseded MLflow runs, by the filter that was given to `--redo`.

    Args:
        file: Where they are kept; it need not exist.

    Raises:
        OutputError: From every method: the file cannot be read.
    """

    file: Path

    def by_filter(self) -> dict[str, list[str]]:
        """Return the superseded MLflow runs by filter."""
        try:
            return read_json(self.file, dict[str, list[str]], most_bytes=_MOST_BYTES) if self.file.exists() else {}
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.file}: cannot be read: {error}") from None

    @property
    def superseded(self) -> frozenset[str]:
        """All superseded MLflow runs: the runs that they have trained give way to new ones, one by one."""
        return frozenset(run for runs in self.by_filter().values() for run in runs)

    def add(self, text: str, mlflow_run_ids: Iterable[str]) -> None:
        """Note MLflow runs as superseded by a filter.

        Raises:
            OSError: The file cannot be written.
        """
        by_filter = self.by_filter()
        by_filter[text] = sorted({*by_filter.get(text, ()), *mlflow_run_ids})
        write_text(self.file, json.dumps(by_filter, indent=1))
