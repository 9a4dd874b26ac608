"""Data sets in the form that other tools take: `to_optuna`. Each tool is imported when it is asked for."""

from analysis.exchange.optuna_study import to_optuna

__all__ = ["to_optuna"]
