"""The search spaces that have been surveyed in an output: `search_spaces/` in its folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from survey.spaces.search_space import BaseSpace
from survey.spaces.yaml_file import dump_space, spaces_in
from survey.system.files import write_text
from survey.text.names import yaml_names


@dataclass(frozen=True)
class KeptSpaces:
    """The search spaces of an output, a YAML file each: the exporter flags experiments by them.

    Args:
        folder: Where they are kept; it need not exist.
    """

    folder: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return yaml_names(self.folder)

    def read(self) -> list[BaseSpace]:
        """Read them all, by name."""
        return spaces_in(self.folder)

    def write(self, spaces: Iterable[BaseSpace]) -> None:
        """Add some, or replace those of the same name."""
        self.folder.mkdir(exist_ok=True)
        for space in spaces:
            write_text(self.folder / f"{space.name}.yaml", dump_space(space))
