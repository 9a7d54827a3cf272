"""Memory that batches are gathered in: aligned as TensorFlow wants it, and used again.

To touch new memory can take longer than to gather into it: on a virtual machine ten times as long. Leaves which rows
there are to `workers.training.tensorflow_feeds`.
"""

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from workers.training.columns import Array

_ALIGNED = 64
"""Bytes; as `EIGEN_MAX_ALIGN_BYTES`. TensorFlow copies what is not aligned, and takes the rest as it lies."""


class BatchMemory:
    """Hands out arrays, and takes the memory of those that nobody holds any more.

    It keeps as many buffers as arrays were ever held at once. Threads may share it, without a lock: within one, the end
    of an old pipeline could be waited for, which waits for its own next batch.
    """

    def __init__(self) -> None:
        self._buffers: list[Array] = []

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """An array that nobody else has. What is in it is left from before."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        buffer = _first_unused(self._buffers, size + _ALIGNED)
        if buffer is None:
            buffer = np.empty(size + _ALIGNED, np.uint8)
            # Those that nobody uses are too small: they were made for the end of an epoch.
            used = [old for old in self._buffers if sys.getrefcount(old) > _NOBODY]
            self._buffers = [*used, buffer]
        first = -buffer.ctypes.data % _ALIGNED
        return buffer[first : first + size].view(dtype).reshape(shape)


def _first_unused(buffers: Sequence[Array], size: int) -> Array | None:
    for buffer in buffers:
        # Each view that NumPy makes, of any view, holds the buffer itself, as does a thread that looks at it here.
        if len(buffer) >= size and sys.getrefcount(buffer) == _NOBODY:
            return buffer
    return None


def _references(buffers: Sequence[Array]) -> int:
    for buffer in buffers:
        return sys.getrefcount(buffer)
    raise ValueError("no buffer")


_NOBODY = _references([np.empty(1, np.uint8)])
"""References that Python counts to a buffer in a list, while a loop looks at it."""
