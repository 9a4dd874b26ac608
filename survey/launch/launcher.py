"""A launch from search spaces to report: plan, train on Ray, export, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from survey.dataset.completed_runs import CompletedRuns
from survey.errors import SurveyError
from survey.export.mappers import in_processes
from survey.launch.addresses import Addresses
from survey.launch.messages import placed_lines, plan_line, recording_line
from survey.launch.planning import check_devices, for_cluster, price_of, recording, with_pilot
from survey.launch.recorder import Recorder
from survey.launch.request import Request, note_of
from survey.launch.result import SurveyResult, Training, import_report, import_report_early, report_on
from survey.launch.tracking_server import TrackingAccess, serving
from survey.output.forecasts import Forecast
from survey.plan.plan import Plan
from survey.spaces.search_space import varied_axes
from survey.system.beside import beside
from survey.system.files import disk_full_errors
from survey.system.gc_pause import collector_paused
from survey.tracking.credentials import without_passwords
from survey.tracking.ui_view import shared_view
from survey.trials.checkpoint import drop_useless
from survey.trials.provenance import git_commit

if TYPE_CHECKING:
    from survey.cluster.connection import Cluster
    from survey.export.mappers import Mapper
    from survey.launch.ray_session import RaySession
    from survey.launch.stages import Stages
    from survey.tracking.store import TrackingStore
    from survey.tracking.trial_run import TrackingSettings
    from survey.trials.messages import Failure, TrialSettings


class Launch:
    """One launch of a survey.

    Args:
        request: Search spaces and options.
        stages: Where the launch says what it is doing.
    """

    def __init__(self, request: Request, stages: Stages) -> None:
        self._request, self._output, self._stages = request, request.output, stages
        self._replaced: list[str] = []  # what is told of search spaces whose places others take

    def run(self) -> SurveyResult:
        """Train what is missing, export it and write the report.

        Raises:
            InputError: The request cannot be fulfilled. No trial has started.
            SurveyError: The tracking store, the data set or the disk failed.
        """
        with disk_full_errors(self._output.folder):
            return self._run()

    def _run(self) -> SurveyResult:
        request, output = self._request, self._output
        request.data.check()
        if not output.exists:
            plan = request.plan({})
            check_devices(request, plan)
            request.load_data(plan, bundled=False)  # a launch that lacks its data leaves nothing behind
        with output.held(request.workload.name, request.workload.about), ExitStack() as held:
            request.data.check_dataset(output.dataset)  # before writing: a refused launch leaves the output unchanged
            held.enter_context(request.tracking.held())
            self._replaced = [*request.replaced_lines()]
            output.record(list(request.spaces), request.contents, request.workload.about)
            store = request.tracking.open_at_start()
            # A new search space is flagged at the end, on the cluster: it changes each partition of the output.
            left = self._close_and_export(store, in_processes, only_new_runs=True) if store else 0
            to_replace = request.to_replace(store)
            plan = request.plan(self._done(to_replace))
            with Recorder(output, request.name, plan) as recorder:
                training = Training()
                if plan.bundles:
                    plan, training = self._train(plan, to_replace, recorder)
                else:
                    self._tell(self._replaced)
                    if store and left:
                        self._close_and_export(store, in_processes)
                report = report_on(
                    output,
                    request.name,
                    renew=training.num_runs > 0,
                    begins=lambda: self._stages.begin("writing the report"),
                )
                result = SurveyResult.of(plan, training, output.dataset, report, time.monotonic() - request.began)
                self._drop_checkpoints(all_done=not result.missing)
                recorder.end(result)
                return result

    def _train(self, plan: Plan, to_replace: dict[str, int], recorder: Recorder) -> tuple[Plan, Training]:
        """Train a plan; return the plan of what is still missing, and what was trained."""
        from survey.launch.ray_session import check_nodes, ray_session

        request = self._request
        # Refuse what can be refused before anything starts.
        check_devices(request, plan)
        request.load_data(plan, bundled=self._output.dataset.exists())
        request.tracking.check_artifacts()
        told = request.data.lines(request.data.told())
        self._tell([plan_line(request.name, plan, request.workload.left_out), *self._replaced, *told])
        if request.options.pilot:
            self._stages.begin("measuring this machine")
        plan, pilot = with_pilot(request, plan)
        pilot_s = pilot.seconds if pilot else 0.0
        self._stages.begin("joining Ray" if request.options.address else "starting Ray")
        with (
            serving(request.tracking, request.options, self._output) as access,
            ray_session(request, plan, recorder, access.environment_of_workers()) as session,
            Addresses(access, session.cluster, request.say, afterwards=import_report_early) as addresses,
        ):
            cluster, stop = session.cluster, session.signals.request
            plan, pilot = for_cluster(request, plan, pilot, cluster, lambda: self._done(to_replace))
            self._tell(placed_lines(plan))
            cost = price_of(request, plan, pilot, num_cpus=int(cluster.num_cpus) or 1, num_gpus=cluster.num_gpus)
            forecast = Forecast(self._output.folder, plan, cost)
            check_nodes(request, cluster)
            data = request.load_data(plan)
            if access.is_for_workers:
                access.wait()
            store = request.tracking.open()
            tracking = self._tracking_settings(plan, store, access)
            if request.options.tracking_uri:
                request.say(f"MLflow         {without_passwords(request.tracking.uri, request.tracking.uri)}")
            if request.options.address:
                addresses.tell_of_cluster()
            if request.redo:
                request.redo.mark(to_replace)  # only now: a refused launch must not affect the next one
            settings = self._trial_settings(data, tracking, cluster)
            watched = (lambda: None) if request.options.address else addresses.start
            failures, loop_seconds = self._fit(plan, settings, store, session, recorder, watched)
            if stop.fatal_error:
                raise SurveyError(stop.fatal_error)
            self._stages.begin("exporting what is finished" if stop.reason else "exporting")
            recorder.export()
            self._close_and_export(store, session.mapper)  # still needs the cluster
            self._stages.begin("leaving Ray")
            addresses.end()
            with beside(import_report):  # if training was too short for it; Ray's processes are waited for
                session.leave()
            after = self._done()
            # The forecast leaves out the pilot.
            forecast.end(after, wall_s=time.monotonic() - request.began - pilot_s)
            left = request.plan(after, on_gpu=cluster.num_gpus > 0)
            num_runs = left.num_runs_done - plan.num_runs_done
            return left, Training(num_runs, failures, loop_seconds, stop.interrupted, stop.out_of_time)

    def _fit(
        self,
        plan: Plan,
        settings: TrialSettings,
        store: TrackingStore,
        session: RaySession,
        recorder: Recorder,
        begun: Callable[[], object],
    ) -> tuple[tuple[Failure, ...], float]:
        """Run the trials on Ray Tune; return failures, and seconds with a trial in its epoch loop.

        `begun` is called when a trial has started.
        """
        from survey.trials.progress import Progress
        from survey.trials.tune import fit

        request, output, signals = self._request, self._output, session.signals
        cost, runs = sum(bundle.cost_s for bundle in plan.bundles), plan.num_runs_planned
        self._stages.end()
        with Progress(
            request.console,
            name=request.name,
            num_runs=runs,
            num_before=plan.num_runs_done,
            total_cost=cost,
            output=output,
            begun=begun,
        ) as progress:
            recorder.train(progress.figures)
            with signals.training(progress.stop):
                failures = fit(
                    plan.trials,
                    settings,
                    cluster=session.cluster,
                    stop=signals.request,
                    progress=progress,
                    after_part=lambda: self._close_and_export(store, session.mapper),
                )
        return failures, progress.counts.loop_seconds

    def _trial_settings(self, data: Mapping[str, Any], tracking: TrackingSettings, cluster: Cluster) -> TrialSettings:
        from survey.trials.messages import TrialSettings

        with collector_paused():
            from survey.trials.tune import report_every_s

        request, output = self._request, self._output
        return TrialSettings(
            workload=request.workload.name,
            about=request.workload.about,
            data=data,
            tracking=tracking,
            origin={"batch": request.name, "git_hash": tracking.git_commit or None},
            checkpoints=output.checkpoints,
            states=output.states,
            keep_states=request.options.keep_states,
            output_id=output.output_id if request.tracking.is_in_output else None,
            report_every_s=report_every_s(cluster.num_cpus),
        )

    def _tracking_settings(self, plan: Plan, store: TrackingStore, access: TrackingAccess) -> TrackingSettings:
        from survey.tracking.trial_run import TrackingSettings

        request = self._request
        all_epochs, repetition_runs = recording(request, plan)
        self._tell([recording_line(all_epochs=all_epochs, repetition_runs=repetition_runs)])
        axes, metrics = varied_axes(request.spaces), request.workload.columns.metrics
        mlflow_experiment_id = store.open_experiment(
            request.name,
            note=note_of(request.spaces),
            artifact_location=request.tracking.artifacts,
            view=shared_view(metrics, axes),
        )
        uri, sql_artifacts = access.for_workers(store, mlflow_experiment_id)
        return TrackingSettings(
            uri,
            mlflow_experiment_id,
            all_epochs,
            repetition_runs,
            metrics=metrics,
            axes=axes,
            git_commit=git_commit(),
            sql_artifacts=sql_artifacts,
        )

    def _close_and_export(self, store: TrackingStore, mapper: Mapper, *, only_new_runs: bool = False) -> int:
        """Close the MLflow runs of trials that no longer train, and export those that have finished.

        Returns:
            Number of partitions left out of date, because of `only_new_runs`; see `export.update.update_dataset`.
        """
        from survey.export.update import update_dataset

        request = self._request
        store.close_abandoned_runs()
        request.tracking.back_up()  # first, so that the MLflow run of a row in the data set is never lost
        given = request.tracking.given_artifacts
        result = update_dataset(self._output, store, mapper, artifacts=given, only_new_runs=only_new_runs)
        for message in result.damaged:
            request.say(f"not exported, to be trained again: {message}", style="yellow")
        store.optimize()
        if request.options.prune_artifacts:
            from survey.export.prune import prune_artifacts

            request.say(str(prune_artifacts(self._output, store, mapper, artifacts=given)))
        return result.num_partitions_left

    def _done(self, to_replace: Iterable[str] = ()) -> CompletedRuns:
        return CompletedRuns.of_dataset(self._output.dataset, self._output.redo_log.superseded.union(to_replace))

    def _drop_checkpoints(self, *, all_done: bool) -> None:
        """Remove left-over checkpoints: a trial removes only its own, and others can make one useless."""
        folder = self._output.checkpoints
        with suppress(OSError):  # no result depends on them
            if all_done and any(folder.iterdir()):
                drop_useless(folder, self._done())
            folder.rmdir()

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._request.say(line)
