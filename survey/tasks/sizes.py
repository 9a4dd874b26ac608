"""How much memory a table may take, checked before anything is unpacked."""

from __future__ import annotations

from survey.errors import TaskError

MEMORY_FOR_TABLE = 0.8
"""Part of the machine's memory that a table may take while it is read and prepared."""


def check_memory(needed_bytes: float, where: str, what: str) -> None:
    """Refuse a table that does not fit into memory.

    Args:
        needed_bytes: Least memory that it takes, in bytes.
        where: Task and file, for the message.
        what: Its size in words, for the message.

    Raises:
        TaskError: It takes more than `MEMORY_FOR_TABLE` of this machine's memory.
    """
    from rich.filesize import decimal

    from survey.system.machine import memory_bytes

    available = int(MEMORY_FOR_TABLE * memory_bytes())
    if needed_bytes > available:
        raise TaskError(
            f"{where}: {what}; that takes {decimal(int(needed_bytes))} of memory or more, and a table may take "
            f"{decimal(available)} here ({MEMORY_FOR_TABLE:.0%} of this machine's); remove rows or columns, or use "
            "a machine with more memory"
        )
