"""Does something again and again in a thread of its own, for as long as the application runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(work: Callable[[], object], seconds: float, name: str) -> Iterator[None]:
    """Within it, `work` is done at once, and then every few seconds. Leaving it waits for the work to end.

    Args:
        work: What is done; it deals with its own errors.
        seconds: The pause between.
        name: The thread's.
    """
    stop = threading.Event()

    def work_until_stopped() -> None:
        work()
        while not stop.wait(seconds):
            work()

    thread = threading.Thread(target=work_until_stopped, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
