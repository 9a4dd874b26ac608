"""In what share of a time kernels ran on the first GPU, as NVIDIA's driver counts it."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from types import TracebackType
from typing import Self

_EVERY_MS = 200


class KernelShare:
    """Asks `nvidia-smi` several times a second, while it is entered, in what share of the last moment a kernel ran.

    The driver counts by periods of a sixth of a second to a second, so the mean over some seconds is exact enough.
    """

    def __init__(self) -> None:
        self._samples: list[tuple[float, float]] = []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        if shutil.which("nvidia-smi"):
            command = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
            self._process = subprocess.Popen([*command, f"--loop-ms={_EVERY_MS}"], stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()

    def _read(self) -> None:
        assert self._process
        assert self._process.stdout
        for line in self._process.stdout:
            if line.strip().isdigit():
                self._samples.append((time.time(), int(line) / 100))

    def between(self, began: float, ended: float) -> float | None:
        """The share between two times, by `time.time`; None if nothing is known of it."""
        shares = [share for at, share in self._samples if began <= at <= ended]
        return sum(shares) / len(shares) if shares else None
