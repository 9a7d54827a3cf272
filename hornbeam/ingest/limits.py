"""Limits on the process that reads a file, set by itself before it looks at the first byte.

Leaves its environment and its working directory to the API, which starts it.
"""

import resource
import signal
from types import FrameType

from hornbeam.ingest.protocol import IngestLimits

OPEN_FILES = 64
_GRACE_SECONDS = 10
_GRACE_BYTES = 2**20


class OutOfTime(Exception):
    """The CPU time is over."""


def limit_this_process(limits: IngestLimits) -> None:
    """Bound memory, CPU time, the size of what is written, and the number of open files; no core is dumped.

    CPU time ends with OutOfTime in the main thread, and with a signal some seconds later. Memory ends with MemoryError
    where the allocation is a Python or an Arrow one.
    """
    signal.signal(signal.SIGXCPU, _end)
    _lower(resource.RLIMIT_CPU, limits.seconds, limits.seconds + _GRACE_SECONDS)
    _lower(resource.RLIMIT_DATA, limits.memory_bytes)
    _lower(resource.RLIMIT_FSIZE, limits.table_bytes + _GRACE_BYTES)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(what: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, but never above the one that holds already."""
    _, allowed = resource.getrlimit(what)
    bounded = [
        wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed)
        for wanted in (soft, soft if hard is None else hard)
    ]
    resource.setrlimit(what, (bounded[0], bounded[1]))


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTime
