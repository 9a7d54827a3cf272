"""The GPUs of this machine, asked from NVIDIA's driver without touching CUDA; none where there is no driver.

CUDA_VISIBLE_DEVICES of the worker is respected: a worker sees, and its slots get, what it lists. Leaves AMD's and
others' accelerators alone: their trainers run, and are not shown.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pynvml

from schemas.jobs import Device


def find_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls each GPU that this worker may use, in its order."""
    with _driver() as is_there:
        count = pynvml.nvmlDeviceGetCount() if is_there else 0
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None or not count:
        return [str(index) for index in range(count)]
    names = [name.strip() for name in listed.split(",")]
    # CUDA reads the list up to the first entry that it does not know, such as -1.
    end = next((place for place, name in enumerate(names) if not _is_device(name, count)), len(names))
    return names[:end]


def describe(gpus: list[str]) -> list[Device]:
    """The GPUs by the names that `find_gpus` gave, with what they are doing now."""
    with _driver() as is_there:
        return [_describe(index, name) for index, name in enumerate(gpus)] if is_there else []


@contextlib.contextmanager
def _driver() -> Iterator[bool]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def _is_device(name: str, count: int) -> bool:
    return int(name) < count if name.isdecimal() else name.startswith(("GPU-", "MIG-"))


def _describe(index: int, name: str) -> Device:
    handle = _ask(lambda: _handle(name))
    if handle is None:
        return Device(index=index, name=name)
    memory = _ask(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    load = _ask(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
    return Device(
        index=index,
        name=str(_ask(lambda: pynvml.nvmlDeviceGetName(handle)) or name),
        memory_bytes=int(memory.total) if memory else None,
        memory_used_bytes=int(memory.used) if memory else None,
        utilization_percent=float(load.gpu) if load else None,
    )


def _handle(name: str) -> Any:
    if name.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)


def _ask(question: Callable[[], Any]) -> Any:
    """The driver's answer, None where it has none: not every device knows its load, MIG slices for one."""
    try:
        return question()
    except pynvml.NVMLError:
        return None
