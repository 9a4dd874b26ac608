"""Size, depth, shape, learning rate and epochs for a new task, from surveyed ones.

Read `advice` first. `rules` choose, and `regret` judges them.
"""

__all__ = ["advice", "budget", "regret", "rules", "surveyed"]
