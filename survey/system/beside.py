"""Work for which a thread has no need to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread while this one waits for what is within; go on when both have ended.

    An error of `work` ends its thread and no more.
    """
    thread = threading.Thread(target=work, name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()
