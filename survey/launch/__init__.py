"""A launch from start to end: `survey.run` and `python -m survey.launch`.

Read `api` first, then `request`, which checks what is given, and `launcher`, which does it.
"""

__all__ = ["api", "result"]
