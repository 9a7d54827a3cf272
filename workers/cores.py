"""How many cores there are for this process: of those of the machine, a container or `taskset` may leave it some."""

import os


def cores() -> int:
    """The cores that this process may use, at least one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
