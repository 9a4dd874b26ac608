"""The machine: atomic files, file systems, memory, processes, threads, private folders.

The modules are independent of each other and know nothing of surveys.
"""

__all__ = [
    "beside",
    "clock",
    "cuda",
    "exit",
    "files",
    "filesystem",
    "gc_pause",
    "home",
    "import_path",
    "interrupts",
    "machine",
    "periodic",
    "port_forward",
    "private_folder",
    "supervise",
]
