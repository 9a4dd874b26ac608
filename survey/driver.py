"""A launch from search spaces to report: plan, train on Ray, export, report."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from survey import tasks as task_data
from survey.dataset import REPETITIONS, check_task_digest, runs_done
from survey.errors import InputError, TrackingError
from survey.forecast import Forecast
from survey.launch_record import Recorder
from survey.options import Options
from survey.output import Output
from survey.plan import Bound, Plan, PlannedTrial, fraction_for, make_plan
from survey.price import UNMEASURED_FACTOR, Price, Rows, price
from survey.redo import Redo, RedoFilter
from survey.result import SurveyResult
from survey.source import git_commit
from survey.space import SearchSpace, own_tasks
from survey.tracking_place import TrackingPlace

if TYPE_CHECKING:
    from survey.cluster import Cluster
    from survey.export.pool import Mapper
    from survey.pilot import Pilot
    from survey.stopping import StopRequest
    from survey.tracking.store import TrackingStore

METRIC_ROW_BUDGET = 2_000_000
"""Metric rows up to which every epoch goes to MLflow under `--mlflow-epochs auto`."""

REPETITION_RUN_LIMIT = 1_000
"""Runs up to which each repetition has an MLflow run of its own under `--mlflow-runs auto`."""

_ASSUMED_GPU_BYTES = 16 << 30
"""Memory of a GPU that only other machines of the cluster have."""


class Launch:
    """One launch of a survey.

    Args:
        spaces: What to survey.
        options: How.
        console: Where to say what happens.

    Raises:
        InputError: From every method: what was given cannot be used. Nothing has been started then.
    """

    def __init__(self, spaces: Sequence[SearchSpace], options: Options, console: Console) -> None:
        self._began = time.monotonic()
        self._spaces, self._options, self._console = spaces, options, console
        self._own_tasks = own_tasks(spaces)
        self._name = "+".join(space.name for space in spaces)
        self.output = Output.at(options.out or Path("surveys") / self._name)
        self._place = TrackingPlace(options, self.output, console.print)
        used = {name for space in spaces for grid in space.grids for name in grid.dataset}
        self._contents = {
            name: task_data.load(name, self._own_tasks).digest for name in sorted(used & set(self._own_tasks))
        }

        self._redo: Redo | None = None
        if options.redo is not None:
            experiments = (each for space in spaces for each in space.experiments(self._contents))
            self._redo = Redo(RedoFilter.parse(options.redo), self.output, experiments)

    def plan(self, done: Mapping[int, set[int]], *, may_guess: bool = False) -> Plan:
        """Plan what is missing where `done` is done; `may_guess` as for `survey.tasks.describe`."""
        return make_plan(
            self._spaces,
            contents=self._contents,
            describe=partial(task_data.describe, user_tasks=self._own_tasks, may_guess=may_guess),
            done=done,
            repetitions=self._options.repetitions,
            limit=self._options.limit,
            bound=Bound(memory_bytes=_memory_per_core()),
        )

    def dry_run(self) -> Price:
        """Return what the launch would train and what that costs, and start and write nothing."""
        store = self._place.open() if self._place.exists else None
        replaced = self._replaced(store)
        done = runs_done(self.output.dataset, replaced)
        for experiment_id, numbers in store.runs_finished(replaced).items() if store else ():
            done.setdefault(experiment_id, set()).update(numbers)
        plan = self.plan(done, may_guess=True)
        num_cpus, num_gpus = self._options.num_cpus or _num_cores(), self._num_gpus()
        if num_gpus:
            plan = plan.on_gpus(self._fraction_of_gpu())
        plan, pilot = self._pilot(plan, may_guess=True)
        return self._price(plan, pilot, num_cpus=num_cpus, num_gpus=num_gpus)

    def _pilot(self, plan: Plan, *, may_guess: bool = False) -> tuple[Plan, Pilot | None]:
        """Measure this machine if that is asked for; return the plan with the costs that were found."""
        if not self._options.pilot or not plan.trials:
            return plan, None
        from survey.pilot import run_pilot

        describe = partial(task_data.describe, user_tasks=self._own_tasks, may_guess=may_guess)
        pilot = run_pilot(plan, describe, device="cuda" if self._num_gpus() else "cpu")
        return plan.with_costs(pilot.model), pilot

    def _num_gpus(self) -> float:
        """GPUs that a Ray of this machine would have."""
        if self._options.num_gpus is not None or not Path("/proc/driver/nvidia").exists():
            return self._options.num_gpus or 0.0
        import torch

        return float(torch.cuda.device_count())

    def _price(self, plan: Plan, pilot: Pilot | None, *, num_cpus: int, num_gpus: float) -> Price:
        from survey.tracking.trial_run import CHILD_ROWS_PER_EPOCH, ROWS_PER_EPOCH, log_spaced_epochs

        all_epochs, repetition_runs = self._recording(plan)
        return price(
            plan,
            Rows(
                ROWS_PER_EPOCH,
                CHILD_ROWS_PER_EPOCH * repetition_runs,
                epochs=lru_cache(lambda epochs: epochs if all_epochs else len(log_spaced_epochs(epochs))),
            ),
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            factor=pilot.factor if pilot else UNMEASURED_FACTOR,
            measured=pilot is not None,
        )

    def run(self) -> SurveyResult:
        """Train what is missing, export it and write the report."""
        if not self.output.folder.exists():
            self._load_tasks(self.plan({}), bundled=False)  # a launch that lacks its data leaves nothing behind
        self.output.prepare()
        with self.output.lock(), self._place.held():
            self.output.record(list(self._spaces), self._contents)
            store = self._place.open_at_start()
            if store:
                from survey.export.pool import in_processes

                self._close_and_export(store, in_processes)
            if self._redo:
                self._redo.mark(store, self.plan)
            before = self._done()
            plan = self.plan(before)
            with Recorder(self.output, self._name, plan) as recorder, ExitStack() as stack:
                result = self._train(plan, before, stack, recorder) if plan.trials else self._result(plan, before)
                recorder.end(result)
                return result

    def _done(self) -> dict[int, set[int]]:
        return runs_done(self.output.dataset, self.output.replaced)

    def _replaced(self, store: TrackingStore | None) -> frozenset[str]:
        """MLflow runs that count no more, with those that this launch is to replace."""
        return self._redo.replaced(store, self.plan) if self._redo else self.output.replaced

    def _train(self, plan: Plan, before: dict[int, set[int]], stack: ExitStack, recorder: Recorder) -> SurveyResult:
        """Train a plan; the stack ends what has been started.

        Much has to start, each part on one core: so the MLflow server comes first, and Ray starts beside it.
        """
        # What can be refused is refused before anything starts.
        self._load_tasks(plan, bundled=self.output.dataset.exists())
        self._tell_plan(plan)
        plan, pilot = self._pilot(plan)
        server = stack.enter_context(self._place.server())
        from survey.cluster import connect, disconnect
        from survey.export_tasks import on_cluster
        from survey.stopping import StopRequest

        limit = self._options.time_limit_s
        stop = stack.enter_context(StopRequest(self._began + limit if limit is not None else None))
        stack.callback(disconnect)
        options = self._options
        cluster = connect(
            survey=self._name,
            address=options.address,
            num_cpus=options.num_cpus,
            num_gpus=options.num_gpus,
            dashboard=options.ui,
            environment=self._place.environment_of_workers(),
        )
        stop.install()  # Ray has put a handler of its own in the place of ours for SIGTERM
        plan = self._with_gpus(plan, cluster)
        cost = self._price(plan, pilot, num_cpus=int(cluster.num_cpus) or 1, num_gpus=cluster.num_gpus)
        forecast = Forecast(self.output.folder, plan, cost)
        self._place.check_nodes(cluster)
        data = self._load_tasks(plan)
        if server:
            server.wait()
        self._tell_addresses(server.address if server else None, cluster)
        store = self._place.open()
        failures, loop_seconds = self._fit(plan, data, store, stop, recorder)
        if stop.tracking_lost:
            raise TrackingError(f"{stop.tracking_lost}; what is trained is kept: launch again when it is back")
        recorder.export()
        self._close_and_export(store, on_cluster)
        disconnect()
        after = self._done()
        forecast.end(after, wall_s=time.monotonic() - self._began)
        left = self.plan(after)
        with suppress(OSError):  # trials remove their own; those of trials that are not in this plan are kept
            self.output.checkpoints.rmdir()
        return self._result(left, before, failures, stop, loop_seconds)

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
                    plan.trials,
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

    def _recording(self, plan: Plan) -> tuple[bool, bool]:
        """Whether MLflow gets every epoch, and whether each repetition has a run of its own."""
        from survey.tracking.trial_run import CHILD_ROWS_PER_EPOCH, ROWS_PER_EPOCH

        options = self._options
        few_runs = plan.num_runs <= REPETITION_RUN_LIMIT
        repetition_runs = few_runs if options.mlflow_runs == "auto" else options.mlflow_runs == "repetition"
        rows = ROWS_PER_EPOCH * plan.epochs + CHILD_ROWS_PER_EPOCH * plan.run_epochs * repetition_runs
        all_epochs = rows <= METRIC_ROW_BUDGET if options.mlflow_epochs == "auto" else options.mlflow_epochs == "all"
        return all_epochs, repetition_runs

    def _load_tasks(self, plan: Plan, *, bundled: bool = True) -> dict[str, task_data.PreparedTask]:
        """Prepare the data of all planned trials, and see that they are those of the rows that are there.

        Without `bundled`, only those that may not be at hand: scikit-learn takes two seconds to import.
        """
        used = {trial.experiment.dataset for trial in plan.trials}
        names = sorted(used if bundled else used - set(task_data.BUNDLED))
        data = {name: task_data.load(name, self._own_tasks) for name in names}
        for name, task in data.items():
            check_task_digest(self.output.dataset, name, task.digest)
        return data

    def _with_gpus(self, plan: Plan, cluster: Cluster) -> Plan:
        if not cluster.num_gpus:
            if self._options.gpus_per_trial:
                raise InputError("--gpus-per-trial: this Ray cluster has no GPU")
            return plan
        return plan.on_gpus(self._fraction_of_gpu())

    def _fraction_of_gpu(self) -> Callable[[int], float]:
        """Gives the share of a GPU for a trial's memory in bytes."""
        fixed = self._options.gpus_per_trial
        if fixed is not None:
            return lambda _bytes: fixed
        import torch

        total = torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else _ASSUMED_GPU_BYTES
        return partial(fraction_for, gpu_bytes=total)

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
        if self._options.prune_artifacts:
            from survey.export.prune import prune_artifacts

            self._console.print(str(prune_artifacts(self.output, store, mapper)))

    def _result(
        self,
        plan: Plan,
        before: dict[int, set[int]],
        failures: tuple[str, ...] = (),
        stop: StopRequest | None = None,
        loop_seconds: float = 0.0,
    ) -> SurveyResult:
        """Write the report and say what the launch has come to; `plan` is what is still missing."""
        trained = plan.num_runs_done - self.plan(before).num_runs_done
        report = self._write_report(renew=trained > 0)
        return SurveyResult(
            num_experiments=plan.num_experiments,
            num_runs=plan.num_runs,
            num_runs_done=plan.num_runs_done,
            num_runs_trained=trained,
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
        if not (self.output.dataset / REPETITIONS).exists() or not runs_done(self.output.dataset):
            return None
        from analysis.report import write_report

        return write_report(self.output.dataset, self.output.report, title=self._name)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_per_core() -> int:
    """Memory that a trial may take, in bytes: a core's part of the machine's, less a fifth for all else.

    Of all cores, also where a launch uses fewer: so a trial is split alike in each launch.
    """
    import psutil

    return int(0.8 * psutil.virtual_memory().total / _num_cores())


def _missing(trial: PlannedTrial) -> str:
    return f"{trial.experiment.label}: {len(trial.repetitions)} of {trial.num_repetitions} runs"


def _shown(uri: str) -> str:
    from survey.tracking.told import without_password

    return without_password(uri, uri)
