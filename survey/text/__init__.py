"""Text that comes from people and files, and text that is shown: names, paths as URIs, JSON, messages, escaping.

Whatever comes from outside passes here, so that it is refused or shown as it is. Each module stands by itself; every
room may use them.
"""

__all__ = ["escaping", "json_files", "names", "terminal", "uris", "validation"]
