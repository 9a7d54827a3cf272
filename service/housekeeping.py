"""Removes what nobody comes back for: uploads without a new part for long, and files that a lost process left.

Every API process does it, every few minutes and when it starts: all of it is harmless when two do it at once. The
database decides about each file, under its lock, so that nothing that is just being named is taken away.
"""

import logging
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

from hornbeam.datasets.record import FILES, TABLES, UPLOADS
from hornbeam.errors import Unavailable
from hornbeam.storage.artifacts import ArtifactStore
from hornbeam.storage.base import Store
from service.periodic import repeated
from service.uploads import abandoned_before, folder_of

PERIOD_SECONDS = 300.0

_log = logging.getLogger(__name__)


class Housekeeping:
    """Cleans up, as long as it is kept running.

    Args:
        store: What is on record.
        artifacts: What is stored.
        upload_seconds: How long an upload waits for its next part.
    """

    def __init__(self, store: Store, artifacts: ArtifactStore, *, upload_seconds: float) -> None:
        self._store = store
        self._artifacts = artifacts
        self._patience = timedelta(seconds=upload_seconds)
        self._period = min(PERIOD_SECONDS, max(1.0, upload_seconds / 2))

    def clean(self) -> None:
        """Do it once. Raises StoreUnavailable, ArtifactStoreUnavailable."""
        touched_before = datetime.now(UTC) - self._patience
        for upload_id in self._store.expire_uploads(touched_before=touched_before, abandoned_before=abandoned_before()):
            self._artifacts.delete_tree(folder_of(upload_id))
        self._drop_lost_parts()
        for key in self._store.unnamed_files([*self._artifacts.keys(FILES), *self._artifacts.keys(TABLES)]):
            self._store.drop_file(key, self._artifacts.delete)

    def kept_up(self) -> AbstractContextManager[None]:
        """Within it, it is done every few minutes."""
        return repeated(self._clean_if_possible, self._period, "housekeeping")

    def _drop_lost_parts(self) -> None:
        """Parts of uploads that are gone: whoever dropped them died, or somebody brought one at the same moment."""
        there = {key.removeprefix(f"{UPLOADS}/").partition("/")[0] for key in self._artifacts.keys(UPLOADS)}
        for upload_id in sorted(there - self._store.known_uploads(there)):
            self._artifacts.delete_tree(folder_of(upload_id))

    def _clean_if_possible(self) -> None:
        try:
            self.clean()
        except Unavailable as outage:
            _log.warning("What nobody comes back for stays for now: %s", outage.message)
