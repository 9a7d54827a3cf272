"""The artifact store: files by key, in a directory or an S3-compatible store, through fsspec.

A file is written under a temporary name, hashed on the way, and moved, so that a key that can be read is whole.
Leaves what files mean, and who may see them, to others.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was stored."""

    key: str
    size_bytes: int
    sha256: str


class ArtifactStore(ABC):
    """Files by key. Every method may be called from any thread.

    Trouble is ArtifactStoreUnavailable, or StorageFull where there is no room left; then nothing is half-stored.
    """

    @abstractmethod
    def staging(self) -> Path:
        """A local directory for large files that are to be adopted; what lies there for a day is swept."""

    @abstractmethod
    def adopt_file(self, key: str, path: Path, *, sha256: str) -> None:
        """Store a local file with this digest, replacing what was there: without a copy where `path` is in `staging()`.

        The two may share their bytes from then on, so nobody may write to `path` any more; delete it as you like.
        """

    @abstractmethod
    def has(self, key: str) -> bool:
        """Whether there is a file under this key."""

    @abstractmethod
    def put_file(self, key: str, path: Path) -> StoredFile:
        """Store a copy of a local file under `key`, replacing what was there."""

    @abstractmethod
    def read(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `end` (exclusive) in chunks. Raises ArtifactNotFound before the first."""

    @abstractmethod
    def fetch(self, key: str, path: Path, *, sha256: str) -> None:
        """Copy the file with this digest to a local one.

        Raises ArtifactNotFound where there is none, or a damaged one in its place; ArtifactStoreUnavailable.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete; nothing happens where there is no such key."""

    @abstractmethod
    def delete_tree(self, prefix: str) -> None:
        """Delete every key below `prefix`, a whole path segment."""

    @abstractmethod
    def keys(self, prefix: str) -> list[str]:
        """Every key below `prefix`."""
