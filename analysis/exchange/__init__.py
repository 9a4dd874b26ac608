"""Data sets in the form that other tools take: `to_blackbox`, `to_optuna`. Each is imported when it is asked for."""

from analysis.exchange.blackbox import to_blackbox
from analysis.exchange.optuna_study import to_optuna

__all__ = ["to_blackbox", "to_optuna"]
