"""A launch from start to end: `survey.run` and `survey launch`.

Read `api` first, then `request`, which checks the input, and `launcher`, which does the work. `planning` estimates what
a launch would train and cost, and starts nothing.
"""

__all__ = ["api", "messages", "options", "planning", "request", "result"]
