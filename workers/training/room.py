"""Where a trainer finds its data on this machine, and where it puts what is too large for memory."""

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workers.training.columns import OnDisk

SHARE_OF_FEATURES = 4
"""This part of a trainer's memory the matrices of features may take together, those of columns and those that are made
of them each; what is beyond is fed from files."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a trainer finds its data on this machine."""

    tables: Mapping[str, str] = field(default_factory=dict)
    """The Arrow file of each dataset that a client brought, by its id."""
    scratch: Path = Path()
    """A directory for what is too large for memory."""
    memory_bytes: int = 0
    """What matrices of features may take of memory together; 0: all of it."""
    disk_bytes: int = 2**63
    """What one matrix may take of disk."""


class Room:
    """Decides what goes to disk: matrices that would take more than their share of memory, with those before them."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._taken = 0

    def __call__(self, shape: tuple[int, ...]) -> OnDisk | None:
        """A place for a matrix of this shape, or None where memory will do."""
        wanted = _bytes(shape)
        if not self.is_short_of(wanted):
            self._taken += wanted
            return None
        # A name that no other has, of whichever room: a matrix outlives the room that it was made in.
        descriptor, path = tempfile.mkstemp(".bin", "matrix-", self.files.scratch)
        os.close(descriptor)
        return OnDisk(Path(path), shape)

    def is_short_of(self, wanted: int) -> bool:
        """Whether memory has no room for so many bytes."""
        return bool(self.files.memory_bytes) and self._taken + wanted > self.files.memory_bytes

    def is_too_small(self, shape: tuple[int, ...]) -> bool:
        """Whether a matrix of this shape has to be made again each time that its rows are asked for."""
        return _bytes(shape) > self.files.disk_bytes and self.is_short_of(_bytes(shape))


def _bytes(shape: tuple[int, ...]) -> int:
    return 4 * math.prod(shape)
