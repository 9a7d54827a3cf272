"""Tables of datasets on this machine, by their digests: the next job on a dataset need not fetch it again.

Each attempt gets links of its own, so that what is removed from the cache meanwhile stays where it is used. Several
workers may share a cache. Leaves what is in a table to the trainer.
"""

import contextlib
import logging
import os
import shutil
from pathlib import Path

from hornbeam.storage.artifacts import ArtifactStore

_log = logging.getLogger(__name__)


class TableCache:
    """A directory of tables, the last used of which stay.

    Args:
        directory: Where they are, which is made when the first comes.
        artifacts: Where they come from.
        max_bytes: What they may take together; the table of the job at hand is fetched in any case.
    """

    def __init__(self, directory: Path, artifacts: ArtifactStore, *, max_bytes: int) -> None:
        self._directory, self._artifacts, self._max_bytes = directory, artifacts, max_bytes

    def place(self, key: str, sha256: str, path: Path) -> None:
        """Have the table at a path of the attempt's own.

        Raises ArtifactNotFound where it is gone or damaged, ArtifactStoreUnavailable, OSError.
        """
        cached = self._directory / f"{sha256}.arrow"
        if not self._linked(cached, path):
            self._directory.mkdir(parents=True, exist_ok=True)
            self._artifacts.fetch(key, cached, sha256=sha256)
            self._make_room(cached)
            if not self._linked(cached, path):  # somebody else has made room meanwhile
                self._artifacts.fetch(key, path, sha256=sha256)

    def _linked(self, cached: Path, path: Path) -> bool:
        try:
            os.utime(cached)
            os.link(cached, path)
        except FileNotFoundError:
            return False
        except OSError:  # another file system, or one without links
            try:
                shutil.copyfile(cached, path)
            except FileNotFoundError:
                return False
        return True

    def _make_room(self, newest: Path) -> None:
        """Remove those that were not used for longest, until the rest fits."""
        found = []
        for path in self._directory.glob("*.arrow"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        held = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if held <= self._max_bytes:
                return
            if path != newest:
                _log.info("Removing table %s from the cache.", path.stem[:16])
                path.unlink(missing_ok=True)
                held -= size
