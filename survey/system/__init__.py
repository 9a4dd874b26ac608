"""The machine: files that are replaced at once, file systems, memory, processes, the home of what is private.

Each module stands by itself; read what you need. It knows nothing of surveys.
"""

__all__ = [
    "clock",
    "exit",
    "files",
    "filesystem",
    "gc_pause",
    "home",
    "import_path",
    "machine",
    "port_forward",
    "private_folder",
    "supervise",
]
