"""Checking text from users and files, and showing it safely: names, paths as URIs, JSON, messages, escaping.

The modules are independent of each other; every room may use them.
"""

__all__ = ["counting", "documented", "escaping", "html", "json_files", "names", "terminal", "uris", "validation"]
