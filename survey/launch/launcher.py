"""A launch from search spaces to report: plan, train on Ray, export, report."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from survey.dataset.completed_runs import CompletedRuns
from survey.dataset.layout import REPETITIONS, partitions
from survey.errors import InputError, SurveyError
from survey.export.mappers import in_processes
from survey.launch.options import Options
from survey.launch.planning import on_gpus, price_of, with_pilot
from survey.launch.recorder import Recorder
from survey.launch.request import Request, note_of
from survey.launch.result import SurveyResult
from survey.output.forecasts import Forecast
from survey.plan.bundles import PlannedBundle
from survey.plan.plan import Plan
from survey.system.files import disk_full_errors
from survey.system.import_path import own_package
from survey.tasks import preparation
from survey.tasks.prepared import PreparedTask
from survey.text.terminal import say
from survey.tracking.credentials import without_passwords
from survey.trials.checkpoint import drop_useless
from survey.trials.provenance import git_commit

if TYPE_CHECKING:
    from survey.cluster.connection import Cluster
    from survey.export.mappers import Mapper
    from survey.plan.pilot import Pilot
    from survey.tracking.store import TrackingStore
    from survey.tracking.trial_run import TrackingSettings
    from survey.trials.stopper import StopRequest


class Launch:
    """One launch of a survey.

    Args:
        request: What was asked for.
    """

    def __init__(self, request: Request) -> None:
        self._request, self._output, self._options = request, request.output, request.options
        self._say = partial(say, request.console)

    def run(self) -> SurveyResult:
        """Train what is missing, export it and write the report.

        Raises:
            InputError: What was asked for cannot be used. No trial has been started.
            SurveyError: The tracking store, the data set or the disk failed.
        """
        with disk_full_errors(self._output.folder):
            return self._run()

    def _run(self) -> SurveyResult:
        request, output = self._request, self._output
        request.check_sizes()
        if not output.exists:
            request.load_tasks(request.plan({}), bundled=False)  # a launch that lacks its data leaves nothing behind
        with output.held(), ExitStack() as held:
            request.check_own_data()  # before anything is written: what is refused leaves the output as it was
            held.enter_context(request.place.held())
            output.record(list(request.spaces), request.contents)
            store = request.place.open_at_start()
            # A new sweep is flagged at the end, on the cluster: it changes each partition of the output.
            left = self._close_and_export(store, in_processes, only_new_runs=True) if store else 0
            to_replace = request.to_replace(store)
            plan = request.plan(self._done(to_replace))
            with Recorder(output, request.name, plan) as recorder, ExitStack() as stack:
                if plan.bundles:
                    result = self._train(plan, to_replace, stack, recorder)
                else:
                    if store and left:
                        self._close_and_export(store, in_processes)
                    result = self._result(plan)
                self._drop_checkpoints(all_done=not result.missing)
                recorder.end(result)
                return result

    def _done(self, to_replace: Iterable[str] = ()) -> CompletedRuns:
        return CompletedRuns.of_dataset(self._output.dataset, self._output.redo_log.superseded.union(to_replace))

    def _drop_checkpoints(self, *, all_done: bool) -> None:
        """Remove what trials, which remove their own, have left: checkpoints that others have made useless."""
        folder = self._output.checkpoints
        with suppress(OSError):  # no result depends on them
            if all_done and any(folder.iterdir()):
                drop_useless(folder, self._done())
            folder.rmdir()

    def _train(self, plan: Plan, to_replace: dict[str, int], stack: ExitStack, recorder: Recorder) -> SurveyResult:
        """Train a plan; the stack ends what has been started.

        Much has to start, each part on one core: so the MLflow server comes first, and Ray starts beside it.
        """
        request = self._request
        # What can be refused is refused before anything starts.
        request.load_tasks(plan, bundled=self._output.dataset.exists())
        request.place.check_artifacts()
        self._tell_plan(plan)
        plan, pilot = with_pilot(request, plan)
        pilot_s = pilot.seconds if pilot else 0.0
        server = stack.enter_context(request.place.server())
        cluster, stop, connection = self._start_ray(stack, recorder)
        plan, pilot = self._for_cluster(plan, cluster, pilot, to_replace)
        cost = price_of(request, plan, pilot, num_cpus=int(cluster.num_cpus) or 1, num_gpus=cluster.num_gpus)
        forecast = Forecast(self._output.folder, plan, cost)
        request.place.check_nodes(cluster)
        data = request.load_tasks(plan)
        if server:
            server.wait()
        self._tell_addresses(server.address if server else None, cluster)
        store = request.place.open()
        if request.redo:
            request.redo.mark(to_replace)  # only now: a launch that is refused asks nothing of the next one
        failures, loop_seconds = self._fit(plan, data, cluster, store, stop, recorder)
        if stop.cannot_go_on:
            raise SurveyError(stop.cannot_go_on)
        if stop.reason:
            self._say("exporting what is finished", style="yellow")
        recorder.export()
        self._close_and_export(store, _on(cluster))  # for which the cluster is still needed
        connection.close()
        after = self._done()
        # The forecast is of a launch without its pilot.
        forecast.end(after, wall_s=time.monotonic() - request.began - pilot_s)
        left = request.plan(after, on_gpu=cluster.num_gpus > 0)
        return self._result(left, left.num_runs_done - plan.num_runs_done, failures, stop, loop_seconds)

    def _start_ray(self, stack: ExitStack, recorder: Recorder) -> tuple[Cluster, StopRequest, ExitStack]:
        """Start or join a cluster, with what stops its trials in good order, and what watches over its head.

        The third value leaves the cluster again, when it is closed.
        """
        from survey.cluster.connection import connected
        from survey.cluster.head_watch import ClusterWatch
        from survey.trials.stopper import StopRequest, kept_from_children

        options = self._options
        deadline_s = self._request.began + options.time_limit_s if options.time_limit_s is not None else None
        last_words = partial(recorder.last_words, "interrupted")
        stop = stack.enter_context(StopRequest(deadline_s, notice=self._tell_end, last_words=last_words))
        connection = stack.enter_context(ExitStack())
        try:
            with kept_from_children(signal.SIGHUP):  # workers outlive a terminal for as long as a checkpoint takes
                cluster = connection.enter_context(
                    connected(
                        survey=self._request.name,
                        address=options.address,
                        num_cpus=options.num_cpus,
                        num_gpus=options.num_gpus,
                        dashboard=options.ui,
                        environment=self._request.place.environment_of_workers(),
                    )
                )
        except SystemExit as error:
            if error.code == signal.SIGTERM:  # of Ray's own handler, which it puts in the place of ours
                raise KeyboardInterrupt from None
            raise
        finally:
            stop.install()
        connection.enter_context(ClusterWatch(cluster.head, partial(recorder.last_words, "error")))
        return cluster, stop, connection

    def _tell_end(self, reason: str) -> None:
        self._say(f"{reason}: ending what has been started", style="yellow")

    def _fit(
        self,
        plan: Plan,
        data: dict[str, PreparedTask],
        cluster: Cluster,
        store: TrackingStore,
        stop: StopRequest,
        recorder: Recorder,
    ) -> tuple[tuple[str, ...], float]:
        """Run the trials on Ray Tune; return failures, and seconds with a trial in its epoch loop."""
        from survey.trials.progress import Progress
        from survey.trials.tune import fit

        settings = self._tracking_settings(plan, store)
        origin = {"batch": self._request.name, "git_hash": settings.git_commit or None}
        cost = sum(bundle.cost_s for bundle in plan.bundles)
        console, runs = self._request.console, plan.num_runs_planned
        with Progress(
            console, name=self._request.name, num_runs=runs, total_cost=cost, output=self._output
        ) as progress:
            recorder.train(progress.figures)
            stop.notice, stop.training = progress.stop, True
            try:
                failures = fit(
                    plan.trials,
                    tasks=data,
                    tracking=settings,
                    origin=origin,
                    checkpoints=self._output.checkpoints,
                    output_id=self._output.output_id if self._request.place.is_in_output else None,
                    cluster=cluster,
                    stop=stop,
                    progress=progress,
                    after_part=lambda: self._close_and_export(store, _on(cluster)),
                )
            finally:
                stop.notice, stop.training = self._tell_end, False
        return failures, progress.loop_seconds

    def _tracking_settings(self, plan: Plan, store: TrackingStore) -> TrackingSettings:
        from survey.tracking.trial_run import TrackingSettings

        all_epochs, repetition_runs = self._request.recording(plan)
        self._say(
            f"MLflow records {'every epoch' if all_epochs else 'log-spaced epochs'}, in a run for each experiment"
            + (" and one for each repetition" if repetition_runs else "")
        )
        request = self._request
        note, place = note_of(request.spaces), request.place.artifacts
        experiment_id = store.open_experiment(request.name, note=note, artifact_location=place)
        uri, sql_artifacts = request.place.for_workers(store, experiment_id)
        return TrackingSettings(
            uri,
            experiment_id,
            all_epochs,
            repetition_runs,
            git_commit=git_commit(),
            sql_artifacts=sql_artifacts,
        )

    def _for_cluster(
        self, plan: Plan, cluster: Cluster, pilot: Pilot | None, to_replace: Iterable[str]
    ) -> tuple[Plan, Pilot | None]:
        """Fit a plan to the cluster: trials get their shares of its GPUs.

        Where it has another kind of device than this machine, which a pilot measured, all is planned again: what is
        trained stays the same; how it is split, and what it costs, does not.
        """
        request = self._request
        _check_gpu_options(request.options, cluster)
        on_gpu = cluster.num_gpus > 0
        if on_gpu != (request.num_gpus > 0):
            plan = request.plan(self._done(to_replace), on_gpu=on_gpu)
            dropped = "; what the pilot has measured here does not count" if pilot else ""
            device = "GPUs" if on_gpu else "CPU cores"
            self._say(f"planned for the {device} of the cluster: {len(plan.trials):,} trials{dropped}")
            pilot = None
        if on_gpu:
            plan = on_gpus(request, plan, pilot)
            self._tell_packed(plan)
        return plan, pilot

    def _tell_packed(self, plan: Plan) -> None:
        together = [count for count in plan.packed if count > 1]
        if together:
            trials = f"{len(together):,} trial{'s' * (len(together) != 1)}"
            self._say(f"{sum(together):,} experiments are packed into {trials}")

    def _tell_plan(self, plan: Plan) -> None:
        trials = f"{len(plan.trials):,} trial{'s' * (len(plan.trials) != 1)}"
        text = (
            f"{self._request.name}: {plan.num_experiments:,} experiments, {plan.num_runs:,} runs; "
            f"{plan.num_runs_done:,} done, {plan.num_runs_planned:,} to train in {trials}"
        )
        if plan.num_out_of_tolerance:
            text += f"; {plan.num_out_of_tolerance:,} experiments left out: no network of theirs comes near their size"
        self._say(text)
        for name, told in self._request.own_data().items():
            for line in preparation.lines(name, told):
                self._say(line)

    def _tell_addresses(self, mlflow: str | None, cluster: Cluster) -> None:
        say, uri = self._say, self._request.place.uri
        if mlflow:
            say(f"MLflow UI      {mlflow}")
        elif self._options.tracking_uri:
            say(f"MLflow         {without_passwords(uri, uri)}")
        if mlflow and self._options.address:
            from survey.cluster.connection import tunnel

            say(f"ssh tunnel     {tunnel(mlflow, cluster.dashboard)}")
        if cluster.dashboard:
            ray = [str(Path(sys.executable).with_name("ray")), "get-auth-token"]
            shows = shlex.join(["cat", str(cluster.token_file)] if cluster.token_file else ray)
            say(f"Ray dashboard  {cluster.dashboard}   (asks for a token: {shows})")

    def _close_and_export(self, store: TrackingStore, mapper: Mapper, *, only_new_runs: bool = False) -> int:
        """Close the MLflow runs of trials that no longer train, and export those that have finished.

        Returns:
            Partitions that are out of date and were left so, with `only_new_runs` as in `survey.export.export`.
        """
        from survey.export.update import export

        store.close_abandoned_runs()
        self._request.place.back_up()  # first, so that the MLflow run of a row in the data set is never lost
        given = self._request.place.given_artifacts
        result = export(self._output, store, mapper, artifacts=given, only_new_runs=only_new_runs)
        for message in result.damaged:
            self._say(f"not exported, to be trained again: {message}", style="yellow")
        store.optimize()
        if self._options.prune_artifacts:
            from survey.export.prune import prune_artifacts

            self._say(str(prune_artifacts(self._output, store, mapper, artifacts=given)))
        return result.num_partitions_left

    def _result(
        self,
        plan: Plan,
        num_runs_trained: int = 0,
        failures: tuple[str, ...] = (),
        stop: StopRequest | None = None,
        loop_seconds: float = 0.0,
    ) -> SurveyResult:
        """Write the report and say what the launch has come to; `plan` is what is still missing."""
        report = self._write_report(renew=num_runs_trained > 0)
        return SurveyResult(
            num_experiments=plan.num_experiments,
            num_runs=plan.num_runs,
            num_runs_done=plan.num_runs_done,
            num_runs_trained=num_runs_trained,
            failures=failures,
            missing=tuple(_missing(bundle) for bundle in plan.bundles),
            interrupted=stop.interrupted if stop else False,
            out_of_time=stop.out_of_time if stop else False,
            dataset=self._output.dataset,
            report=report,
            seconds=time.monotonic() - self._request.began,
            loop_seconds=loop_seconds,
        )

    def _write_report(self, *, renew: bool) -> Path | None:
        page = self._output.report / "index.html"
        if page.exists() and not renew:
            return page
        if not any(partitions(self._output.dataset / REPETITIONS)):
            return None
        with own_package("analysis"):
            from analysis.report.page import write_report

            return write_report(self._output.dataset, self._output.report, title=self._request.name)


def _on(cluster: Cluster) -> Mapper:
    """What exports on the connected cluster."""
    from survey.cluster.export_mapper import on_cluster

    return partial(on_cluster, variables=cluster.variables)


def _check_gpu_options(options: Options, cluster: Cluster) -> None:
    if cluster.num_gpus:
        return
    if options.gpus_per_trial != "auto":
        raise InputError("--gpus-per-trial: this Ray cluster has no GPU")
    if options.pack not in ("auto", 1):
        raise InputError("--pack: experiments are packed on GPUs alone, and this Ray cluster has none")


def _missing(bundle: PlannedBundle) -> str:
    return f"{bundle.experiment.label}: {len(bundle.repetitions)} of {bundle.num_repetitions} runs"
