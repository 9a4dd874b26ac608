"""What a launch would train and what that costs, found without starting anything."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from survey import tasks as task_data
from survey.dataset import runs_done
from survey.plan import Joining, Plan
from survey.price import UNMEASURED_FACTOR, Price, Rows, price
from survey.request import Request, num_cores

if TYPE_CHECKING:
    from survey.pilot import Pilot


class PricedRequest(Request):
    """A request whose price can be told; arguments as there."""

    def dry_run(self) -> Price:
        """Return what the launch would train and what that costs, and start and write nothing."""
        store = self._place.open() if self._place.exists else None
        replaced = self.output.replaced.union(self._to_replace(store, may_guess=True))
        done = runs_done(self.output.dataset, replaced)
        for experiment_id, numbers in store.runs_finished(replaced).items() if store else ():
            done.setdefault(experiment_id, set()).update(numbers)
        plan = self.plan(done, may_guess=True)
        num_cpus, num_gpus = self._options.num_cpus or num_cores(), self._num_gpus
        plan, pilot = self._pilot(plan, may_guess=True)
        if num_gpus:
            plan = self._on_gpus(plan, pilot)
        return self._price(plan, pilot, num_cpus=num_cpus, num_gpus=num_gpus)

    def _pilot(self, plan: Plan, *, may_guess: bool = False) -> tuple[Plan, Pilot | None]:
        """Measure this machine if that is asked for; return the plan with the costs that were found."""
        if not self._options.pilot or not plan.trials:
            return plan, None
        import torch

        from survey.pilot import run_pilot

        describe = partial(task_data.describe, user_tasks=self._own_tasks, may_guess=may_guess)
        pilot = run_pilot(plan, describe, device="cuda" if self._num_gpus and torch.cuda.is_available() else "cpu")
        return plan.with_costs(pilot.model), pilot

    def _on_gpus(self, plan: Plan, pilot: Pilot | None) -> Plan:
        """Give trials their shares of GPUs, joined as was asked for, or where the pilot has found that it pays."""
        size = self._options.pack
        joining = pilot.joining if pilot else None
        if size != "auto":
            joining = None if size == 1 else replace(joining or Joining(size), size=size)
        fixed = self._options.gpus_per_trial
        if joining and fixed != "auto":
            joining = replace(joining, num_gpus=fixed)
        return plan.on_gpus(self._fraction_of_gpu(), joining)

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
