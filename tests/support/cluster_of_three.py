"""A Ray cluster of three nodes on this host, each with a core, until it is ended: `python -m cluster_of_three`."""

from __future__ import annotations

import signal
import sys

from ray.cluster_utils import Cluster


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        print("ready at", cluster.address, flush=True)
        signal.pause()
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
