"""The machine: files that are replaced at once, file systems, memory, processes, threads, private folders.

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
    "periodic",
    "port_forward",
    "private_folder",
    "supervise",
]
