"""What a launch would train and what that costs, found without starting anything."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from survey.dataset.completed_runs import CompletedRuns
from survey.launch.request import Request
from survey.plan.estimate import UNMEASURED_FACTOR, Price, Rows, price
from survey.plan.gpu_sharing import Packing
from survey.plan.plan import Plan
from survey.system.machine import num_cores

if TYPE_CHECKING:
    from survey.plan.pilot import Pilot


def dry_run(request: Request) -> Price:
    """Return what a launch would train and what that costs, and start and write nothing.

    Raises:
        InputError: What was asked for cannot be used.
    """
    request.check_sizes(may_guess=True)
    store = request.place.open() if request.place.exists else None
    superseded = request.output.redo_log.superseded.union(request.to_replace(store, may_guess=True))
    done = CompletedRuns.of_dataset(request.output.dataset, superseded)
    if store:
        done.merge(store.completed_runs(superseded))
    plan, pilot = with_pilot(request, request.plan(done, may_guess=True), may_guess=True)
    if request.num_gpus:
        plan = on_gpus(request, plan, pilot)
    num_cpus = request.options.num_cpus or num_cores()
    found = price_of(request, plan, pilot, num_cpus=num_cpus, num_gpus=request.num_gpus)
    return replace(found, own_data=request.own_data())


def with_pilot(request: Request, plan: Plan, *, may_guess: bool = False) -> tuple[Plan, Pilot | None]:
    """Measure this machine if that is asked for; return the plan with the costs that were found."""
    if not request.options.pilot or not plan.bundles:
        return plan, None
    import torch

    from survey.plan.pilot import run_pilot

    device = "cuda" if request.num_gpus and torch.cuda.is_available() else "cpu"
    pilot = run_pilot(plan, partial(request.describe, may_guess=may_guess), device=device)
    return plan.with_costs(pilot.model), pilot


def on_gpus(request: Request, plan: Plan, pilot: Pilot | None) -> Plan:
    """Give trials their shares of GPUs, packed as was asked for, or where the pilot has found that it pays."""
    size = request.options.pack
    packing = pilot.packing if pilot else None
    if size != "auto":
        packing = None if size == 1 else replace(packing or Packing(size), size=size)
    fixed = request.options.gpus_per_trial
    if packing and fixed != "auto":
        packing = replace(packing, num_gpus=fixed)
    return plan.on_gpus(request.fraction_of_gpu(), packing)


def price_of(request: Request, plan: Plan, pilot: Pilot | None, *, num_cpus: int, num_gpus: float) -> Price:
    """Price a plan on so many cores and GPUs, with what goes to MLflow as was asked for."""
    from survey.tracking.trial_run import CHILD_ROWS_PER_EPOCH, ROWS_PER_EPOCH, recorded_epochs

    all_epochs, repetition_runs = request.recording(plan)
    return price(
        plan,
        Rows(
            ROWS_PER_EPOCH,
            CHILD_ROWS_PER_EPOCH * repetition_runs,
            epochs=lru_cache(lambda epochs: len(recorded_epochs(epochs, all_epochs=all_epochs))),
        ),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        factor=pilot.factor if pilot else UNMEASURED_FACTOR,
        measured=pilot is not None,
    )
