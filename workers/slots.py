"""The slots of a worker: each runs one job at a time, on a GPU of its own or a share of the CPU."""

import contextlib
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hornbeam.settings import Settings
from workers.cores import cores
from workers.limits import memory_limit


@dataclass(frozen=True, slots=True)
class Slot:
    """What one job may use."""

    number: int
    """From 0."""
    threads: int
    memory_bytes: int
    """Resident memory of its trainer; 0: no limit."""
    cuda_visible_devices: str | None
    """None where the worker has no GPU: then there is nothing to choose."""


class Slots:
    """All slots of a worker. Safe to share between threads."""

    def __init__(self, count: int, settings: Settings, *, gpus: Sequence[str] = ()) -> None:
        """Make `count` slots.

        Args:
            count: How many jobs run at once.
            settings: Threads and memory of a slot; where they leave them open, the slots share the machine's.
            gpus: What CUDA_VISIBLE_DEVICES calls each GPU; dealt out in turn, and shared where slots are more.
        """
        self.count = count
        threads = settings.threads_per_slot or max(1, cores() // count)
        memory = memory_limit(settings, count)
        self._free: queue.LifoQueue[Slot] = queue.LifoQueue()
        for number in reversed(range(count)):
            gpu = gpus[number % len(gpus)] if gpus else None
            self._free.put(Slot(number, threads, memory, gpu))

    @property
    def busy(self) -> int:
        """How many slots are taken."""
        return self.count - self._free.qsize()

    @contextlib.contextmanager
    def take(self) -> Iterator[Slot]:
        """A slot for the length of the block; waits for one to become free."""
        slot = self._free.get()
        try:
            yield slot
        finally:
            self._free.put(slot)
