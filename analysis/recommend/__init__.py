"""Size, depth, shape, learning rate and epochs for a new task, from surveyed ones: `survey recommend`."""

from analysis.advice.advice import Advice, recommend
from analysis.advice.budget import Budget

__all__ = ["Advice", "Budget", "recommend"]
