"""Where results come from: the commit of the survey's own source, and the process that trained them."""

from __future__ import annotations

import platform
import shutil
import socket
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def git_commit() -> str:
    """Commit of the survey's own source, or an empty string where it is not a checkout."""
    git = shutil.which("git")
    root = Path(__file__).resolve().parents[2]
    if not git or not (root / ".git").exists():
        return ""
    answer = subprocess.run([git, "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


@cache
def process_origin(device: torch.device) -> Mapping[str, str]:
    """Columns of the data set that say what trains in this process: versions, platform, machine and device.

    They stay the same, and looking up versions reads files.
    """
    import ray
    import torch

    return {
        "python_version": platform.python_version(),
        "torch_version": version("torch"),
        "ray_version": ray.__version__,
        "mlflow_version": version("mlflow"),
        "platform": platform.platform(),
        "hostname": socket.gethostname(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }
