"""A Ray cluster of three nodes on this machine, in a process of its own: `python -m three_nodes`.

It says its address and the processes of its nodes in a line of JSON, the head's first. For each line of its standard
input it adds a node and says so again; when its standard input ends, so does the cluster.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from ray.cluster_utils import Cluster


def main() -> None:
    # Ray puts sockets there, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        quiet = {"include_dashboard": False, "temp_dir": folder}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **quiet})
        nodes = [cluster.head_node, cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
        tell(cluster, nodes)
        for _ in sys.stdin:
            nodes.append(cluster.add_node(num_cpus=1))
            tell(cluster, nodes)
        cluster.shutdown()


def tell(cluster: Cluster, nodes: list) -> None:
    raylets = [node.all_processes["raylet"][0].process for node in nodes]
    gcs = nodes[0].all_processes["gcs_server"][0].process.pid
    alive = [raylet.pid for raylet in raylets if raylet.poll() is None]
    Path(sys.argv[1]).write_text(json.dumps({"address": cluster.address, "gcs": gcs, "raylets": alive}))
    print("is up", flush=True)


if __name__ == "__main__":
    main()
