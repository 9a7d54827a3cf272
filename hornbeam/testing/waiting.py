"""Waiting for something to become true, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], *, timeout: float = 10.0, interval: float = 0.02, what: str | None = None
) -> T:
    """Call `condition` until it returns something true, and return that.

    Args:
        condition: Is called at least once, and again every `interval` seconds. What it raises is raised.
        timeout: Seconds after which TimeoutError is raised.
        interval: Seconds between two calls.
        what: What is waited for, for the error's message.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what or getattr(condition, '__name__', 'the condition')} not within {timeout:g} s")
        time.sleep(interval)
    return value
