"""What systems, file managers and notebooks leave in folders."""

from __future__ import annotations

from pathlib import Path

OF_OTHERS = (".DS_Store", "desktop.ini", "._x.yaml", "Thumbs.db")
FOLDERS_OF_OTHERS = ("lost+found", ".ipynb_checkpoints", ".Trash-1000")


def strew(folder: Path) -> set[Path]:
    """Put what systems, file managers and notebooks leave into a folder."""
    for name in FOLDERS_OF_OTHERS:
        (folder / name).mkdir()
        (folder / name / "part-0.parquet").write_bytes(b"nothing that can be read")
    for name in OF_OTHERS:
        (folder / name).write_bytes(b"\0\0\0\1Bud1")
    return {folder / name for name in (*OF_OTHERS, *FOLDERS_OF_OTHERS)}
