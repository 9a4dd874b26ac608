"""What a launch leaves that is killed."""

from __future__ import annotations

from survey.tracking.local_store import OwnStore


def die(own: OwnStore) -> None:
    """Leave things as a killed process does."""
    own._backups.stop()
