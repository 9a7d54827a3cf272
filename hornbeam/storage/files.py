"""The artifact store through fsspec: a directory, or a bucket of an S3-compatible store.

A directory gets each file under a temporary name, and on disk, before it is moved to its key. An object store
shows an object when its upload is complete, so there it needs no temporary name. A file that is adopted by a directory
gets a second name there, which takes no time however large it is.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from hornbeam.errors import (
    ArtifactNotFound,
    ArtifactStoreUnavailable,
    HornbeamError,
    SettingsInvalid,
    StorageFull,
)
from hornbeam.settings import Settings
from hornbeam.storage.artifacts import ArtifactStore, StoredFile

CHUNK = 2**20
"""What is read at once."""

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT}){{0,15}}", re.ASCII)

READ_BLOCK = 4 * 2**20
_WRITE_BLOCK = 16 * 2**20
"""What comes from an object store, or goes to it, in one request."""

_INCOMING = ".incoming"
_ABANDONED_SECONDS = 86_400.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def open_artifacts(settings: Settings) -> ArtifactStore:
    """The artifact store that the settings name. Raises SettingsInvalid, ArtifactStoreUnavailable."""
    url = settings.artifact_url
    if url.startswith("s3://"):
        staging = settings.data_dir.absolute() / "incoming"
        return _open_bucket(url.removeprefix("s3://").strip("/"), settings.s3_endpoint_url, staging)
    return DirectoryArtifacts(Path(url.removeprefix("file://")).absolute())


class FileArtifacts(ArtifactStore):
    """Files in any fsspec file system in which a file appears when it is complete: an object store.

    Keys are made by us: up to 16 segments of letters, digits, `_`, `.` and `-`, none beginning with a dot. Any other
    raises ValueError, so that no key leads out of the root.

    Args:
        filesystem: An fsspec file system, without a cache of listings: other processes write too.
        root: The path in it under which all keys are.
        staging: A local directory, made when it is first needed.
        troubles: What the file system raises when it does not work.
    """

    def __init__(
        self, filesystem: Any, root: str, staging: Path, *, troubles: tuple[type[Exception], ...] = (OSError,)
    ) -> None:
        self._files = filesystem
        self._root = root
        self._staging = staging
        self._troubles = troubles

    def staging(self) -> Path:
        """See ArtifactStore."""
        with self._trouble():
            self._staging.mkdir(parents=True, exist_ok=True)
            _sweep(self._staging)
        return self._staging

    def adopt_file(self, key: str, path: Path, *, sha256: str) -> None:
        """See ArtifactStore. Here it is a copy, which is compared with the digest."""
        if self.put_file(key, path).sha256 != sha256:
            self.delete(key)
            raise ArtifactStoreUnavailable("A file changed while it was stored.")

    def has(self, key: str) -> bool:
        """See ArtifactStore."""
        place = self._place(key)
        with self._trouble():
            try:
                found = self._files.info(place)
            except (FileNotFoundError, NotADirectoryError):
                return False
        return bool(found["type"] == "file")

    def put_file(self, key: str, path: Path) -> StoredFile:
        """See ArtifactStore. Raises OSError when the local file cannot be opened."""
        place = self._place(key)
        digest = hashlib.sha256()
        size = 0
        with path.open("rb") as source, self._trouble(), self._writer(place) as target:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        return StoredFile(key, size, digest.hexdigest())

    def read(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See ArtifactStore. A missing file is noticed by the call itself, before the iterator is used."""
        place = self._place(key)
        with self._trouble(missing=ArtifactNotFound):
            found = self._files.info(place)
        if found["type"] != "file":
            raise ArtifactNotFound
        size = int(found["size"])
        return self._chunks(place, start, size if end is None else min(end, size))

    def _chunks(self, place: str, start: int, end: int) -> Iterator[bytes]:
        with (
            self._trouble(missing=ArtifactNotFound),
            self._files.open(place, "rb", block_size=READ_BLOCK, cache_type="readahead") as file,
        ):
            file.seek(start)
            left = end - start
            while left > 0:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise ArtifactStoreUnavailable("A file ended before its end: it was replaced while it was read.")
                left -= len(chunk)
                yield chunk

    def fetch(self, key: str, path: Path, *, sha256: str) -> None:
        """See ArtifactStore. The local file appears when it is whole."""
        chunks = self.read(key)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        digest = hashlib.sha256()
        try:
            with part.open("wb") as target:
                for chunk in chunks:
                    digest.update(chunk)
                    target.write(chunk)
            if digest.hexdigest() != sha256:
                raise ArtifactNotFound(f"{key} is damaged: its SHA-256 is not the one that was recorded.")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """See ArtifactStore."""
        place = self._place(key)
        with self._trouble(), suppress(FileNotFoundError):
            self._files.rm_file(place)

    def delete_tree(self, prefix: str) -> None:
        """See ArtifactStore."""
        place = self._place(prefix)
        with self._trouble(), suppress(FileNotFoundError):
            if self._files.isdir(place):
                self._files.rm(place, recursive=True)

    def keys(self, prefix: str) -> list[str]:
        """See ArtifactStore."""
        place = self._place(prefix)
        with self._trouble():
            found = self._files.find(place)
        return sorted(path.removeprefix(f"{self._root}/") for path in found if path.startswith(f"{place}/"))

    def _place(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not a key: {key!r}")
        return f"{self._root}/{key}"

    def _writer(self, place: str) -> AbstractContextManager[BinaryIO]:
        """A file that appears at `place` when the block ends, and not at all when it raises."""
        return self._upload(place)

    @contextmanager
    def _upload(self, place: str) -> Iterator[BinaryIO]:
        target = self._files.open(place, "wb", block_size=_WRITE_BLOCK, autocommit=False)
        try:
            yield target
            target.close()
        except BaseException:
            target.discard()
            target.closed = True  # or its finalizer would try to upload the rest
            raise
        target.commit()

    @contextmanager
    def _trouble(self, *, missing: type[HornbeamError] = ArtifactStoreUnavailable) -> Iterator[None]:
        """The file system's errors in our words; theirs name addresses."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise missing from None
        except self._troubles as error:
            number = getattr(error, "errno", None)
            if number in _FULL:
                raise StorageFull from None
            kind = errno.errorcode.get(number, type(error).__name__) if number else type(error).__name__
            raise ArtifactStoreUnavailable(f"The artifact store cannot be reached ({kind}).") from None


class DirectoryArtifacts(FileArtifacts):
    """Files in a directory, which is made where it is missing."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            fsspec.filesystem("file", skip_instance_cache=True), str(directory), staging=directory / _INCOMING
        )
        self._incoming = self.staging()

    def adopt_file(self, key: str, path: Path, *, sha256: str) -> None:
        """See ArtifactStore. A second name for the same bytes, where the file system has such a thing."""
        place = Path(self._place(key))
        temporary = self._incoming / secrets.token_hex(16)
        try:
            _sync(path)
            os.link(path, temporary)
        except OSError:
            super().adopt_file(key, path, sha256=sha256)
            return
        with self._trouble():
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                temporary.replace(place)
            finally:
                # Also where all went well: a name of the same file is not moved onto it, but left.
                temporary.unlink(missing_ok=True)
            _sync(place.parent)

    def _writer(self, place: str) -> AbstractContextManager[BinaryIO]:
        return self._move_in(Path(place))

    @contextmanager
    def _move_in(self, place: Path) -> Iterator[BinaryIO]:
        temporary = self._incoming / secrets.token_hex(16)
        try:
            with self._files.open(str(temporary), "wb") as target:
                yield target
                target.flush()
                os.fsync(target.fileno())
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(place.parent)


def _sync(path: Path) -> None:
    """Have a file's bytes, or a directory's new entry, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(directory: Path) -> None:
    """Delete what writers that were killed have left behind: files, and directories in which nothing is new."""
    for path in directory.iterdir():
        with suppress(FileNotFoundError):
            newest = max(entry.stat().st_mtime for entry in (path, *(path.iterdir() if path.is_dir() else ())))
            if time.time() - newest <= _ABANDONED_SECONDS:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _open_bucket(root: str, endpoint: str | None, staging: Path) -> FileArtifacts:
    bucket = open_s3(endpoint)
    return FileArtifacts(bucket.filesystem, root, staging, troubles=bucket.troubles)


@dataclass(frozen=True, slots=True)
class S3:
    """An S3-compatible store, with the credentials of this process."""

    filesystem: Any
    """Of fsspec, without a cache of listings."""
    troubles: tuple[type[Exception], ...]
    """What it raises when it does not work."""


def open_s3(endpoint: str | None) -> S3:
    """The store at an address, or AWS. Connects to nothing yet. Raises SettingsInvalid where the extra is missing."""
    try:
        # Only now: they are an extra, and take most of a second to import.
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        filesystem = fsspec.filesystem(
            "s3",
            endpoint_url=endpoint,
            use_listings_cache=False,
            skip_instance_cache=True,
            # s3fs tries again by itself; both together would take a quarter of a minute to say that nobody is there.
            config_kwargs={"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 0}},
        )
    except ImportError:
        raise SettingsInvalid("s3:// needs the extra: pip install 'hornbeam[s3]'") from None
    return S3(filesystem, (OSError, BotoCoreError))
