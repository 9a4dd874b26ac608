"""Data sets in the form that other tools take: `to_blackbox`, `to_deepcave`, `to_optuna`."""

from analysis.exchange.blackbox import to_blackbox
from analysis.exchange.deepcave_run import to_deepcave
from analysis.exchange.optuna_study import to_optuna

__all__ = ["to_blackbox", "to_deepcave", "to_optuna"]
