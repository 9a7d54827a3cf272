"""Memory that batches are gathered in: aligned as TensorFlow wants it, and used again.

To touch new memory can take longer than to gather into it: on a virtual machine ten times as long. Leaves which rows
there are to `workers.training.tensorflow_feeds`.
"""

import math
import sys
import threading

import numpy as np
from numpy.typing import DTypeLike

from workers.training.columns import Array

_ALIGNED = 64
"""Bytes; as `EIGEN_MAX_ALIGN_BYTES`. TensorFlow copies what is not aligned, and takes the rest as it lies."""
_HELD_HERE = 3
"""References to a buffer that nobody uses: from the list, from the loop over it, and from the count itself."""


class BatchMemory:
    """Hands out arrays, and takes the memory of those that nobody holds any more. Safe to share between threads."""

    def __init__(self) -> None:
        self._buffers: list[Array] = []
        self._lock = threading.Lock()

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """An array that nobody else has. What is in it is left from before."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        with self._lock:
            buffer = self._unused(size + _ALIGNED)
        first = -buffer.ctypes.data % _ALIGNED
        return buffer[first : first + size].view(dtype).reshape(shape)

    def _unused(self, size: int) -> Array:
        for buffer in self._buffers:
            # Each view that NumPy makes, of whichever view, holds the buffer itself.
            if len(buffer) >= size and sys.getrefcount(buffer) == _HELD_HERE:
                return buffer
        self._buffers.append(np.empty(size, np.uint8))
        return self._buffers[-1]
