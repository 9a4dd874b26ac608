"""The Ray of a launch: started or joined, watched, and stopped cleanly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from survey.errors import InputError
from survey.launch.planning import most_at_once
from survey.launch.recorder import Recorder
from survey.launch.request import Request
from survey.system.gc_pause import collector_paused
from survey.tracking.credentials import variables_needed

if TYPE_CHECKING:
    from survey.cluster.connection import Cluster
    from survey.export.mappers import Mapper
    from survey.plan.plan import Plan
    from survey.trials.signals import StopSignals


@dataclass(frozen=True)
class RaySession:
    """The Ray that a launch uses.

    Attributes:
        cluster: The cluster.
        signals: Signals and the time limit, which ask trials to stop.
        leave: Leaves the cluster before the session ends.
    """

    cluster: Cluster
    signals: StopSignals
    leave: Callable[[], None]

    @property
    def mapper(self) -> Mapper:
        """Exports partitions on the cluster."""
        from survey.cluster.export_mapper import on_cluster

        return partial(on_cluster, variables=self.cluster.variables)


@contextmanager
def ray_session(
    request: Request, plan: Plan, recorder: Recorder, environment: Mapping[str, str]
) -> Iterator[RaySession]:
    """Start or join the cluster that the options name.

    Args:
        request: The request, with its options.
        plan: What it is to train.
        recorder: Records how the launch ends if its process has to end at once.
        environment: Environment variables for workers.

    Raises:
        InputError: The cluster cannot be joined.
    """
    with collector_paused():
        from survey.cluster.connection import Workers, connected
        from survey.cluster.head_watch import ClusterWatch
        from survey.trials.signals import StopSignals, kept_from_children
        from survey.trials.stopper import StopRequest

    options = request.options
    deadline_s = request.began + options.time_limit_s if options.time_limit_s is not None else None

    def tell_end(reason: str) -> None:
        request.say(f"{reason}: shutting down", style="yellow")

    signals = StopSignals(StopRequest(deadline_s), notice=tell_end, on_exit=partial(recorder.on_exit, "interrupted"))
    with signals, ExitStack() as connection:
        try:
            with kept_from_children(signal.SIGHUP):  # workers outlive a terminal, to write checkpoints
                cluster = connection.enter_context(
                    connected(
                        survey=request.name,
                        address=options.address,
                        num_cpus=options.num_cpus,
                        num_gpus=options.num_gpus,
                        dashboard=options.ui,
                        environment=environment,
                        workers=Workers(most_at_once(request, plan), "survey.trials.worker_imports"),
                    )
                )
        except SystemExit as error:
            if error.code == signal.SIGTERM:  # from Ray's handler, which replaces ours
                raise KeyboardInterrupt from None
            raise
        finally:
            signals.install()
        connection.enter_context(ClusterWatch(cluster.head, partial(recorder.on_exit, "error")))
        yield RaySession(cluster, signals, connection.close)


def check_nodes(request: Request, cluster: Cluster) -> None:
    """Check that the machines of a joined cluster have what trials need.

    Raises:
        InputError: A machine lacks something; the message says what.
    """
    from survey.cluster import connection

    if request.options.address is None:
        return
    tracking, uri = request.tracking, request.options.tracking_uri
    if uri and uri.startswith("sqlite:") and not cluster.is_local:
        raise InputError(
            "--tracking-uri: the cluster has several machines, which cannot share a sqlite file: leave the option "
            "out, and the launch runs an MLflow server for them"
        )
    variables = variables_needed(os.environ) if uri or not tracking.is_in_output else []
    folder = request.output.folder if tracking.is_in_output else None
    connection.check_nodes(folder, request.output.output_id, variables)
