"""The Ray that a Python program has started or joined before it calls `survey.run`: used, and left as it was."""

from __future__ import annotations

import sys
from dataclasses import replace

from survey.errors import InputError
from survey.launch.options import Options


def with_callers_ray(options: Options) -> Options:
    """Return options that fit the Ray which this process is connected to; where there is none, those given.

    They have its address if it is a cluster that runs beside this process, as if that had been given.

    Raises:
        InputError: They ask for another Ray, or for a part of this one.
    """
    ray = sys.modules.get("ray")  # who has one has imported it; to import it takes a second
    if ray is None or not ray.is_initialized():
        return options
    leave_out = "leave it out, or call ray.shutdown() before"
    if ray.util.client.ray.is_connected():
        raise InputError("this process uses Ray Client, through which no survey can run: call ray.shutdown() before")
    for name in ("num_cpus", "num_gpus"):
        if getattr(options, name) is not None:
            raise InputError(f"{name}: a Ray runs in this process already, with cores and GPUs of its own; {leave_out}")
    address = ray.get_runtime_context().gcs_address
    if options.address not in (None, "auto", address):
        raise InputError(
            f"address: expected {address}, which this process is connected to, found {options.address}; {leave_out}"
        )
    started_here = ray._private.worker._global_node.head and len(ray.nodes()) == 1
    return options if started_here and not options.address else replace(options, address=address)
