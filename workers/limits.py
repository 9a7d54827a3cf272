"""How long a trainer may run and how much memory it may hold, each ending in an error with figures and advice.

Linux's `/proc` is read; where there is none, memory is not limited. Leaves killing to the supervisor.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hornbeam.settings import Settings
from schemas.jobs import ErrorOrigin, JobError

_SHARE_OF_MEMORY = 0.9
"""What all slots together may hold of the machine; the rest is the worker's and the system's."""

_MEMORY_SECONDS = 1.0
_PROC = Path("/proc")


class TimeLimit:
    """Seconds that a job may take, without those it waited for."""

    def __init__(self, spec: Mapping[str, Any], timings: Mapping[str, float], settings: Settings) -> None:
        own = spec["training"].get("max_seconds")
        self.is_own = own is not None and own <= settings.max_job_seconds
        self.seconds: int = own if self.is_own else settings.max_job_seconds
        spent = sum(seconds for phase, seconds in timings.items() if phase != "queued")
        self._deadline = time.monotonic() + self.seconds - spent

    def check(self) -> JobError | None:
        """The error, once the time is over."""
        if time.monotonic() < self._deadline:
            return None
        advice = "Raise training.max_seconds" if self.is_own else "Ask the operator for more than this service allows"
        return JobError(
            origin=ErrorOrigin.RESOURCES,
            code="resources.time_limit",
            message=f"The training took longer than the {self.seconds} s that it may take.",
            suggestion=f"{advice}, or train fewer epochs; the last checkpoint is kept.",
        )


class MemoryLimit:
    """Resident memory of a process group."""

    def __init__(self, limit: int) -> None:
        """Begin to watch; `limit` 0 allows everything."""
        self.limit = limit
        self._next_look = 0.0

    def check(self, group: int) -> JobError | None:
        """The error, once the processes hold too much. Looks once a second."""
        now = time.monotonic()
        if not self.limit or now < self._next_look:
            return None
        self._next_look = now + _MEMORY_SECONDS
        held = resident_bytes(group)
        return too_much_memory(held, self.limit) if held > self.limit else None


def too_much_memory(held: int, limit: int) -> JobError:
    """The error of a trainer that held `held` bytes."""
    return JobError(
        origin=ErrorOrigin.RESOURCES,
        code="resources.memory_limit",
        message=f"The training held {_mib(held)} of memory; it may hold {_mib(limit)}.",
        suggestion="Halve training.batch_size, or make the model smaller.",
    )


def memory_limit(settings: Settings, slots: int) -> int:
    """Bytes that one trainer may hold, 0 where that is not known."""
    if settings.max_job_memory_bytes:
        return settings.max_job_memory_bytes
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
    return int(min(total, _container_limit() or total) * _SHARE_OF_MEMORY / slots)


def resident_bytes(group: int) -> int:
    """What the processes of a group hold, beside mapped files; pages shared with the zygote count for each."""
    return sum(_resident(process) for process in _PROC.glob("[0-9]*") if _group_of(process) == group)


def out_of_memory_kills() -> int:
    """How many processes the kernel has killed for memory since it started, 0 where it does not say."""
    return _field(_PROC / "vmstat", "oom_kill")


def _container_limit() -> int | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return None
    return int(limit) if limit.isdecimal() else None


def _group_of(process: Path) -> int | None:
    try:
        # The name may hold anything; what follows its closing bracket is state, parent, group.
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, IndexError, ValueError):
        return None


def _resident(process: Path) -> int:
    # Without the pages of mapped files, tables of datasets above all: the kernel drops those when it needs room.
    return sum(_field(process / "status", name) for name in ("RssAnon:", "RssShmem:")) * 1024


def _field(file: Path, name: str) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
