"""A launch from start to end: `survey.run` and `python -m survey.launch`.

Read `api` first, then `request`, which checks what is given, and `launcher`, which does it. `planning` says what a
launch would train and cost, and starts nothing.
"""

__all__ = ["api", "options", "planning", "request", "result"]
