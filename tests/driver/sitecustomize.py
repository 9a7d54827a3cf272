"""Stands in for NVIDIA's driver in each process that has this directory on PYTHONPATH: two GPUs, for machines without.

Python imports it at its start. It is put beneath nvidia-ml-py, which is the real one, where that opens the driver's
library; the second GPU does not tell its load, as MIG slices don't. HAS_NO_DRIVER in the environment: no library.
"""

import ctypes
import os
from typing import Any

_GPUS = (("NVIDIA H100 80GB HBM3", 80, 3, 37), ("NVIDIA A100-SXM4-40GB", 40, 1, None))
"""Name, GiB of memory, GiB in use, percent of the time at work."""
_GIB = 2**30
_OK, _NOT_SUPPORTED = 0, 3


def _gpu(handle: Any) -> Any:
    return _GPUS[(ctypes.cast(handle, ctypes.c_void_p).value or 0) - 1]


def _count(count: Any) -> int:
    count._obj.value = len(_GPUS)
    return _OK


def _handle(index: Any, handle: Any) -> int:
    ctypes.cast(handle, ctypes.POINTER(ctypes.c_void_p))[0] = index.value + 1
    return _OK


def _name(handle: Any, name: Any, _: Any) -> int:
    name.value = _gpu(handle)[0].encode()
    return _OK


def _memory(handle: Any, memory: Any) -> int:
    _, total, used, _ = _gpu(handle)
    memory._obj.total, memory._obj.used = total * _GIB, used * _GIB
    return _OK


def _load(handle: Any, rates: Any) -> int:
    percent = _gpu(handle)[3]
    rates._obj.gpu = percent or 0
    return _NOT_SUPPORTED if percent is None else _OK


class _Driver:
    nvmlInitWithFlags = staticmethod(lambda _: _OK)  # noqa: N815 - the driver's names
    nvmlShutdown = staticmethod(lambda: _OK)  # noqa: N815
    nvmlDeviceGetCount_v2 = staticmethod(_count)  # noqa: N815
    nvmlDeviceGetHandleByIndex_v2 = staticmethod(_handle)  # noqa: N815
    nvmlDeviceGetName = staticmethod(_name)  # noqa: N815
    nvmlDeviceGetMemoryInfo = staticmethod(_memory)  # noqa: N815
    nvmlDeviceGetUtilizationRates = staticmethod(_load)  # noqa: N815


class _CDLL(ctypes.CDLL):
    def __new__(cls, name: Any, *_: Any, **__: Any) -> Any:
        if name != "libnvidia-ml.so.1":
            return super().__new__(cls)
        if os.environ.get("HAS_NO_DRIVER"):
            raise OSError(name)
        return _Driver()


ctypes.CDLL = _CDLL  # type: ignore[misc]
