"""What a launch would train and cost: for a dry run, and fitted to the cluster of a launch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from survey.dataset.completed_runs import CompletedRuns
from survey.errors import InputError
from survey.launch.options import Options
from survey.launch.request import Request
from survey.plan.division import Cores, Places
from survey.plan.estimate import Machine, Rows, price
from survey.plan.gpu_sharing import GPU_FRACTIONS, Packing, fraction_for
from survey.plan.plan import Plan
from survey.plan.price import Price
from survey.plan.spreading import spread
from survey.system.machine import bytes_per_core, gpu_bytes, num_cores

if TYPE_CHECKING:
    from survey.cluster.connection import Cluster
    from survey.plan.pilot import Pilot


METRIC_ROW_BUDGET = 2_000_000
"""Metric rows up to which MLflow records every epoch under `--mlflow-epochs auto`."""

REPETITION_RUN_LIMIT = 1_000
"""Runs up to which each repetition gets its own MLflow run under `--mlflow-runs auto`."""


def dry_run(request: Request) -> Price:
    """Return what a launch would train and what that would cost; start and write nothing.

    Raises:
        InputError: The request cannot be fulfilled.
    """
    request.data.check(may_guess=True)
    store = request.tracking.open() if request.tracking.exists else None
    superseded = request.output.redo_log.superseded.union(request.to_replace(store, may_guess=True))
    done = CompletedRuns.of_dataset(request.output.dataset, superseded)
    if store:
        done.merge(store.finished.completed_runs(superseded))
    plan = request.plan(done, may_guess=True)
    check_devices(request, plan)
    plan, pilot = with_pilot(request, plan)
    num_cpus = _num_cpus(request)
    plan = _spread(request, plan, pilot, num_cpus=num_cpus, num_gpus=request.num_gpus)
    if request.num_gpus:
        plan = on_gpus(request, plan, pilot, Places(num_cpus, request.num_gpus))
    found = price_of(request, plan, pilot, num_cpus=num_cpus, num_gpus=request.num_gpus)
    data = request.data
    told = data.told()
    notes = [*data.lines(told), *filter(None, [data.caveat()]), *request.replaced_lines()]
    return replace(found, left_out=request.workload.left_out, guessed=data.guessed, own_data=told, notes=tuple(notes))


def check_devices(request: Request, plan: Plan) -> None:
    """Check that the experiments of a plan can be trained on this machine, unless a cluster that it joins trains them.

    Raises:
        InputError: Some need a GPU, and there is none.
    """
    if not request.num_gpus and request.options.address is None:
        _refuse_gpu_only(request, plan, "this launch")


def _refuse_gpu_only(request: Request, plan: Plan, place: str) -> None:
    gpu_only = request.workload.gpu_only
    reasons = {bundle.experiment: why for bundle in plan.bundles if (why := gpu_only(bundle.experiment))}
    if not reasons:
        return
    (first, why), count = next(iter(reasons.items())), len(reasons)
    those = f"{first.label} has" if count == 1 else f"{count:,} experiments, such as {first.label}, have"
    raise InputError(
        f"{request.name}: {those} {why}, which needs a GPU, and {place} has none; launch it where there is one, join a "
        f"cluster that has one (--address), or leave {why} out of the search space"
    )


def with_pilot(request: Request, plan: Plan) -> tuple[Plan, Pilot | None]:
    """Run the pilot if the options ask for it; return the plan with the measured costs, and the pilot."""
    if not request.options.pilot or not plan.bundles:
        return plan, None
    import torch

    from survey.plan.pilot import run_pilot

    device = "cuda" if request.num_gpus and torch.cuda.is_available() else "cpu"
    pilot = run_pilot(plan, request.workload.cost_model(on_gpu=device == "cuda"), device=device)
    plan = plan.with_costs(pilot.model)
    if request.num_gpus:
        placed = on_gpus(request, plan, pilot, Places(_num_cpus(request), request.num_gpus))
        of_cores = tuple(bundle for bundle in placed.bundles if not bundle.num_gpus)
        if of_cores:
            like = request.workload.cost_model(on_gpu=False)
            pilot = pilot.beside(run_pilot(replace(placed, bundles=of_cores, packed=()), like))
    return plan, pilot


def _num_cpus(request: Request) -> int:
    """Cores that a Ray started on this machine has."""
    return request.options.num_cpus or num_cores()


def on_gpus(request: Request, plan: Plan, pilot: Pilot | None, places: Places) -> Plan:
    """Place trials on GPUs, packed as the options say or where the pilot has found that it pays, and on the cores left.

    Cores train none of what the costs of are known only relative to each other.
    """
    size = request.options.pack
    packing = pilot.packing if pilot else None
    if size != "auto":
        packing = None if size == 1 else replace(packing or Packing(size), size=size)
    fixed = request.options.gpus_per_trial
    if packing and fixed != "auto":
        packing = replace(packing, num_gpus=fixed)
    workload = request.workload
    model = pilot.core_model if pilot and pilot.core_model else workload.cost_model(on_gpu=False)
    most_bytes = bytes_per_core()
    cores = Cores(
        places,
        model,
        can_train=lambda bundle: bundle.bundle_bytes <= most_bytes and not workload.gpu_only(bundle.experiment),
    )
    return plan.on_gpus(
        partial(fraction_for, gpu_bytes=gpu_bytes()) if fixed == "auto" else lambda _bytes: fixed,
        packing,
        None if model.is_relative else cores,
    )


def for_cluster(
    request: Request, plan: Plan, pilot: Pilot | None, cluster: Cluster, done: Callable[[], dict[int, set[int]]]
) -> tuple[Plan, Pilot | None]:
    """Fit a plan to a cluster: trials get their shares of its GPUs, or cores that these leave.

    If it has another kind of device than this machine, which the pilot measured, everything is planned again: the same
    runs, but split differently and at other costs.

    Raises:
        InputError: An option or an experiment asks for GPUs, and the cluster has none.
    """
    _check_gpu_options(request.options, cluster)
    on_gpu = cluster.num_gpus > 0
    if not on_gpu:
        _refuse_gpu_only(request, plan, "the Ray cluster")
    if on_gpu != (request.num_gpus > 0):
        request.data.forget_measurements()
        plan = request.plan(done(), on_gpu=on_gpu)
        dropped = "; the pilot's measurements of this machine do not apply" if pilot else ""
        device = "GPUs" if on_gpu else "CPU cores"
        request.say(f"planned for the {device} of the cluster: {len(plan.trials):,} trials{dropped}")
        pilot = None
    places = Places(int(cluster.num_cpus), cluster.num_gpus)
    plan = _spread(request, plan, pilot, num_cpus=places.num_cpus, num_gpus=places.num_gpus)
    return (on_gpus(request, plan, pilot, places) if on_gpu else plan), pilot


def most_at_once(request: Request, plan: Plan) -> int:
    """Return how many trials of a plan may train at once on this machine, if it has cores for all of them."""
    if not request.workload.one_by_one:
        return len(plan.trials)
    # No core trains any beside GPUs.
    most = math.ceil(request.num_gpus / min(GPU_FRACTIONS)) if request.num_gpus else plan.num_runs_planned
    return min(plan.num_runs_planned, most)


def _spread(request: Request, plan: Plan, pilot: Pilot | None, *, num_cpus: int, num_gpus: float) -> Plan:
    """Spread experiments over trials where their runs train one after the other, see `survey.plan.spreading`."""
    if not request.workload.one_by_one or not plan.bundles:
        return plan
    from survey.trials.checkpoint import begun

    model = pilot.model if pilot else request.workload.cost_model(on_gpu=num_gpus > 0)
    places = max(1, int(num_gpus) or num_cpus)
    return spread(plan, model, places=places, is_measured=pilot is not None, begun=begun(request.output.checkpoints))


def _check_gpu_options(options: Options, cluster: Cluster) -> None:
    if cluster.num_gpus:
        return
    if options.gpus_per_trial != "auto":
        raise InputError("--gpus-per-trial: this Ray cluster has no GPU")
    if options.pack not in ("auto", 1):
        raise InputError("--pack: experiments are packed on GPUs only, and this Ray cluster has none")


def price_of(request: Request, plan: Plan, pilot: Pilot | None, *, num_cpus: int, num_gpus: float) -> Price:
    """Estimate the cost of a plan on `num_cpus` cores and `num_gpus` GPUs, with MLflow recording as in the options."""
    from survey.tracking.trial_run import recorded_epochs

    all_epochs, repetition_runs = recording(request, plan)
    times_known = pilot is not None or not request.workload.cost_model(on_gpu=num_gpus > 0).is_relative
    return price(
        plan,
        Rows(
            request.workload.columns.metrics,
            repetition_runs=repetition_runs,
            epochs=lru_cache(lambda epochs: len(recorded_epochs(epochs, all_epochs=all_epochs))),
        ),
        request.workload.columns,
        Machine(num_cpus, num_gpus, pilot.factor if pilot else None, times_known),
        keep_states=request.options.keep_states,
    )


def recording(request: Request, plan: Plan) -> tuple[bool, bool]:
    """Return whether MLflow records every epoch, and whether each repetition gets its own MLflow run."""
    options, metrics = request.options, request.workload.columns.metrics
    few_runs = plan.num_runs <= REPETITION_RUN_LIMIT
    repetition_runs = few_runs if options.mlflow_runs == "auto" else options.mlflow_runs == "repetition"
    rows = sum(metrics.only(names).num_rows * epochs for names, epochs in plan.epochs.items())
    if repetition_runs:
        rows += sum(metrics.only(names).num_run_rows * epochs for names, epochs in plan.run_epochs.items())
    all_epochs = rows <= METRIC_ROW_BUDGET if options.mlflow_epochs == "auto" else options.mlflow_epochs == "all"
    return all_epochs, repetition_runs
