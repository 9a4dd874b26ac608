"""Size, depth, shape, learning rate and epochs for a new task, from surveyed ones.

Read `advice` first; `rules` are the ways of choosing, and `regret` measures them.
"""

__all__ = ["advice", "budget", "regret", "rules", "surveyed"]
