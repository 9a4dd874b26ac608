"""Reading and analysing data sets of the survey, from their Parquet tables alone."""

from analysis.combine import combine
from analysis.conclusions.axis_effects import effects
from analysis.conclusions.bands import intervals
from analysis.conclusions.differences import difference
from analysis.exchange import to_blackbox, to_deepcave, to_optuna
from analysis.reading.curves import curves
from analysis.reading.tables import read, read_batches
from analysis.recommend import recommend

__all__ = [
    "combine",
    "curves",
    "difference",
    "effects",
    "intervals",
    "read",
    "read_batches",
    "recommend",
    "to_blackbox",
    "to_deepcave",
    "to_optuna",
]
