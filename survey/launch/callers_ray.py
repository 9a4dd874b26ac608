"""The Ray that a Python program is connected to when it calls `survey.run`: used, and left running."""

from __future__ import annotations

import sys
from dataclasses import replace

from survey.errors import InputError
from survey.launch.options import Options


def with_callers_ray(options: Options) -> Options:
    """Return options that fit the Ray that this process is connected to, if any; otherwise return them unchanged.

    If that Ray is a cluster that runs beside this process, they get its address, as if the user had given it.

    Raises:
        InputError: The options ask for another Ray, or for a part of this one.
    """
    ray = sys.modules.get("ray")  # a process with a Ray has imported it; importing it takes a second
    if ray is None or not ray.is_initialized():
        return options
    leave_out = "leave it out, or call ray.shutdown() first"
    if ray.util.client.ray.is_connected():
        raise InputError("this process uses Ray Client, which cannot run a survey: call ray.shutdown() first")
    for name in ("num_cpus", "num_gpus"):
        if getattr(options, name) is not None:
            raise InputError(f"{name}: a Ray runs in this process already, with its own cores and GPUs; {leave_out}")
    address = ray.get_runtime_context().gcs_address
    if options.address not in (None, "auto", address):
        raise InputError(
            f"address: expected {address}, which this process is connected to, found {options.address}; {leave_out}"
        )
    started_here = ray._private.worker._global_node.head and len(ray.nodes()) == 1
    return options if started_here and not options.address else replace(options, address=address)
