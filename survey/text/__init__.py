"""Checking text from users and files, and showing it safely: names, paths as URIs, JSON, messages, escaping.

Every room may use it. `terminal` and `notebook` are where people read; `validation` and `documented` say what a model
of their input takes, and what is wrong with what it was given.
"""

__all__ = [
    "counting",
    "documented",
    "escaping",
    "html",
    "json_files",
    "names",
    "notebook",
    "terminal",
    "uris",
    "validation",
]
