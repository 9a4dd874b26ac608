"""A launch from search spaces to report: plan, train on Ray, export, report."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey import tasks as task_data
from survey.checkpoint import drop_useless
from survey.dataset import REPETITIONS, partitions, runs_done
from survey.dry_run import PricedRequest
from survey.errors import InputError, SurveyError
from survey.files import full_disk_told
from survey.forecast import Forecast
from survey.launch_record import Recorder
from survey.plan import Plan, PlannedTrial
from survey.result import SurveyResult
from survey.source import git_commit

if TYPE_CHECKING:
    from survey.cluster import Cluster
    from survey.cluster_watch import ClusterWatch
    from survey.export.pool import Mapper
    from survey.pilot import Pilot
    from survey.stopping import StopRequest
    from survey.tracking.store import TrackingStore


class Launch(PricedRequest):
    """One launch of a survey.

    Args:
        spaces: What to survey.
        options: How.
        console: Where to say what happens.

    Raises:
        InputError: From every method: what was given cannot be used. No trial has been started then.
    """

    def run(self) -> SurveyResult:
        """Train what is missing, export it and write the report.

        Raises:
            SurveyError: The tracking store, the data set or the disk failed.
        """
        with full_disk_told(self.output.folder):
            return self._run()

    def _run(self) -> SurveyResult:
        if not self.output.folder.exists():
            self._load_tasks(self.plan({}), bundled=False)  # a launch that lacks its data leaves nothing behind
        self.output.prepare()
        with self.output.lock(), ExitStack() as held:
            self._check_own_data()  # before anything is written: what is refused leaves the output as it was
            held.enter_context(self._place.held())
            self.output.record(list(self._spaces), self._contents)
            store = self._place.open_at_start()
            if store:
                from survey.export.pool import in_processes

                self._close_and_export(store, in_processes)
            to_replace = self._to_replace(store)
            plan = self.plan(self._done(to_replace))
            with Recorder(self.output, self._name, plan) as recorder, ExitStack() as stack:
                result = self._train(plan, to_replace, stack, recorder) if plan.trials else self._result(plan)
                self._drop_checkpoints(all_done=not result.missing)
                recorder.end(result)
                return result

    def _done(self, to_replace: Iterable[str] = ()) -> dict[int, set[int]]:
        return runs_done(self.output.dataset, self.output.replaced.union(to_replace))

    def _drop_checkpoints(self, *, all_done: bool) -> None:
        """Remove what trials, which remove their own, have left: checkpoints that others have made useless."""
        folder = self.output.checkpoints
        with suppress(OSError):  # no result depends on them
            if all_done and any(folder.iterdir()):
                drop_useless(folder, self._done())
            folder.rmdir()

    def _train(self, plan: Plan, to_replace: dict[str, int], stack: ExitStack, recorder: Recorder) -> SurveyResult:
        """Train a plan; the stack ends what has been started.

        Much has to start, each part on one core: so the MLflow server comes first, and Ray starts beside it.
        """
        # What can be refused is refused before anything starts.
        self._load_tasks(plan, bundled=self.output.dataset.exists())
        self._place.check_artifacts()
        self._tell_plan(plan)
        plan, pilot = self._pilot(plan)
        pilot_s = pilot.seconds if pilot else 0.0
        server = stack.enter_context(self._place.server())
        cluster, stop, watch = self._start_ray(stack, recorder)
        self._check_gpus(cluster)
        plan, pilot = self._for_cluster(plan, cluster, pilot, to_replace)
        plan = self._with_gpus(plan, cluster, pilot)
        cost = self._price(plan, pilot, num_cpus=int(cluster.num_cpus) or 1, num_gpus=cluster.num_gpus)
        forecast = Forecast(self.output.folder, plan, cost)
        self._place.check_nodes(cluster)
        data = self._load_tasks(plan)
        if server:
            server.wait()
        self._tell_addresses(server.address if server else None, cluster)
        store = self._place.open()
        if self._redo:
            self._redo.mark(to_replace)  # only now: a launch that is refused asks nothing of the next one
        failures, loop_seconds = self._fit(plan, data, store, stop, recorder)
        if stop.cannot_go_on:
            raise SurveyError(stop.cannot_go_on)
        self._end_ray(store, watch, recorder)
        after = self._done()
        # Of a launch that takes a pilot, too, what one without it would have taken is foretold.
        forecast.end(after, wall_s=time.monotonic() - self._began - pilot_s)
        left = self.plan(after)
        return self._result(left, left.num_runs_done - plan.num_runs_done, failures, stop, loop_seconds)

    def _start_ray(self, stack: ExitStack, recorder: Recorder) -> tuple[Cluster, StopRequest, ClusterWatch]:
        """Start or join a cluster, with what stops its trials in good order and what watches over its head."""
        from survey.cluster import connect, disconnect
        from survey.cluster_watch import ClusterWatch
        from survey.stopping import StopRequest

        options = self._options
        deadline_s = self._began + options.time_limit_s if options.time_limit_s is not None else None
        stop = stack.enter_context(StopRequest(deadline_s, last_words=partial(recorder.last_words, "interrupted")))
        stack.callback(disconnect)
        cluster = connect(
            survey=self._name,
            address=options.address,
            num_cpus=options.num_cpus,
            num_gpus=options.num_gpus,
            dashboard=options.ui,
            environment=self._place.environment_of_workers(),
        )
        stop.install()  # Ray has put a handler of its own in the place of ours for SIGTERM
        watch = stack.enter_context(ClusterWatch(cluster.head, partial(recorder.last_words, "error")))
        return cluster, stop, watch

    def _end_ray(self, store: TrackingStore, watch: ClusterWatch, recorder: Recorder) -> None:
        """Export what has been trained, for which the cluster is still needed, and leave it."""
        from survey.cluster import disconnect
        from survey.export_tasks import on_cluster

        recorder.export()
        self._close_and_export(store, on_cluster)
        watch.end()
        disconnect()

    def _fit(
        self,
        plan: Plan,
        data: dict[str, task_data.PreparedTask],
        store: TrackingStore,
        stop: StopRequest,
        recorder: Recorder,
    ) -> tuple[tuple[str, ...], float]:
        """Run the trials on Ray Tune; return failures, and seconds with a trial in its epoch loop."""
        from survey.export_tasks import on_cluster
        from survey.fit import fit
        from survey.progress import Progress

        settings = self._tracking_settings(plan, store)
        origin = {"batch": self._name, "git_hash": settings.git_commit or None}
        cost = sum(trial.cost_s for trial in plan.trials)
        console, runs = self._console, plan.num_runs_planned
        with Progress(console, name=self._name, num_runs=runs, total_cost=cost) as progress:
            recorder.train(progress.figures)
            stop.training = True
            try:
                failures = fit(
                    plan.groups,
                    tasks=data,
                    tracking=settings,
                    origin=origin,
                    checkpoints=self.output.checkpoints,
                    stop=stop,
                    progress=progress,
                    after_part=partial(self._close_and_export, store, on_cluster),
                )
            finally:
                stop.training = False
        return failures, progress.loop_seconds

    def _tracking_settings(self, plan: Plan, store: TrackingStore) -> Any:
        from survey.tracking.trial_run import TrackingSettings

        all_epochs, repetition_runs = self._recording(plan)
        self._console.print(
            f"MLflow records {'every epoch' if all_epochs else 'log-spaced epochs'}, in a run for each experiment"
            + (" and one for each repetition" if repetition_runs else "")
        )
        note = "\n\n".join(space.description for space in self._spaces if space.description)
        experiment_id = store.open_experiment(self._name, note=note, artifact_location=self._place.artifacts)
        uri, sql_artifacts = self._place.for_workers(store, experiment_id)
        return TrackingSettings(
            uri,
            experiment_id,
            all_epochs,
            repetition_runs,
            git_commit=git_commit(),
            sql_artifacts=sql_artifacts,
        )

    def _check_gpus(self, cluster: Cluster) -> None:
        if cluster.num_gpus:
            return
        if self._options.gpus_per_trial != "auto":
            raise InputError("--gpus-per-trial: this Ray cluster has no GPU")
        if self._options.pack not in ("auto", 1):
            raise InputError("--pack: experiments are joined on GPUs alone, and this Ray cluster has none")

    def _for_cluster(
        self, plan: Plan, cluster: Cluster, pilot: Pilot | None, to_replace: Iterable[str]
    ) -> tuple[Plan, Pilot | None]:
        """Plan anew if a cluster that was joined has another kind of device than this machine, which a pilot measured.

        What is to be trained stays the same; how it is split, and what it costs, does not.
        """
        if self._options.address is None or (cluster.num_gpus > 0) == (self._num_gpus > 0):
            return plan, pilot
        self._num_gpus = cluster.num_gpus
        plan = self.plan(self._done(to_replace))
        device = "GPUs" if cluster.num_gpus else "CPU cores"
        dropped = "; what the pilot has measured here does not count" if pilot else ""
        self._console.print(f"planned for the {device} of the cluster: {len(plan.trials):,} trials{dropped}")
        return plan, None

    def _with_gpus(self, plan: Plan, cluster: Cluster, pilot: Pilot | None) -> Plan:
        if not cluster.num_gpus:
            return plan
        plan = self._on_gpus(plan, pilot)
        if plan.joined:
            together = [count for count in plan.joined if count > 1]
            trials = f"{len(together):,} trial{'s' * (len(together) != 1)}"
            self._console.print(f"{sum(together):,} experiments train side by side, in {trials}")
        return plan

    def _tell_plan(self, plan: Plan) -> None:
        text = (
            f"{self._name}: {plan.num_experiments:,} experiments, {plan.num_runs:,} runs; {plan.num_runs_done:,} done, "
            f"{plan.num_runs_planned:,} to train in {len(plan.trials):,} trials"
        )
        if plan.num_out_of_tolerance:
            text += f"; {plan.num_out_of_tolerance:,} experiments left out: no network of theirs comes near their size"
        self._console.print(text)

    def _tell_addresses(self, mlflow: str | None, cluster: Cluster) -> None:
        say = self._console.print
        if mlflow:
            say(f"MLflow UI      {mlflow}")
        elif self._options.tracking_uri:
            say(f"MLflow         {_shown(self._place.uri)}")
        if mlflow and self._options.address:
            from survey.cluster import tunnel

            say(f"ssh tunnel     {tunnel(mlflow, cluster.dashboard)}")
        if cluster.dashboard:
            ray = shlex.quote(str(Path(sys.executable).with_name("ray")))
            say(f"Ray dashboard  {cluster.dashboard}   (asks for a token: {ray} get-auth-token)")

    def _close_and_export(self, store: TrackingStore, mapper: Mapper) -> None:
        """Close the MLflow runs of trials that no longer train, and export those that have finished."""
        from survey.export import export

        store.close_abandoned_runs()
        self._place.back_up()  # first, so that the MLflow run of a row in the data set is never lost
        for message in export(self.output, store, mapper).damaged:
            self._console.print(f"not exported, to be trained again: {message}", style="yellow")
        store.optimize()
        if self._options.prune_artifacts:
            from survey.export.prune import prune_artifacts

            self._console.print(str(prune_artifacts(self.output, store, mapper)))

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
            missing=tuple(_missing(trial) for trial in plan.trials),
            interrupted=stop.interrupted if stop else False,
            out_of_time=stop.out_of_time if stop else False,
            dataset=self.output.dataset,
            report=report,
            seconds=time.monotonic() - self._began,
            loop_seconds=loop_seconds,
        )

    def _write_report(self, *, renew: bool) -> Path | None:
        page = self.output.report / "index.html"
        if page.exists() and not renew:
            return page
        if not any(partitions(self.output.dataset / REPETITIONS)):
            return None
        from analysis.report import write_report

        return write_report(self.output.dataset, self.output.report, title=self._name)


def _missing(trial: PlannedTrial) -> str:
    return f"{trial.experiment.label}: {len(trial.repetitions)} of {trial.num_repetitions} runs"


def _shown(uri: str) -> str:
    from survey.tracking.told import without_password

    return without_password(uri, uri)
