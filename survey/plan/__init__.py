"""The plan: experiments x repetitions, less what is done, as trials with their resources.

What is done is asked of the result store; the plan holds no state of its own. So resuming, extending a grid, adding
repetitions and overlapping sweeps are one act.
"""

from survey.plan.fitting import check_sizes
from survey.plan.gpus import GPU_FRACTIONS, Joining, fraction_for
from survey.plan.making import LONGEST_TRIAL_S, Bound, make_plan
from survey.plan.plan import Plan
from survey.plan.trials import PlannedTrial, resource_name

__all__ = [
    "GPU_FRACTIONS",
    "LONGEST_TRIAL_S",
    "Bound",
    "Joining",
    "Plan",
    "PlannedTrial",
    "check_sizes",
    "fraction_for",
    "make_plan",
    "resource_name",
]
