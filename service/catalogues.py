"""The catalogue that specs are checked against: what is shipped, and what workers announce of their operators'.

A look at the database every few seconds, for the digests alone: only when other catalogues are announced than before
are they read, and the catalogue and its documents made anew. Leaves what becomes of two components with one name to
`hornbeam.components.catalog`: the one that was announced later holds.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from hornbeam.components.catalog import CatalogueIndex, component_key
from hornbeam.errors import StoreUnavailable
from hornbeam.storage.base import WorkerStore
from schemas.catalog import ComponentEntry
from service.documents import Documents
from service.periodic import repeated

REFRESH_SECONDS = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Edition:
    """The catalogue, as long as the same ones are announced."""

    index: CatalogueIndex
    documents: Documents
    announced: dict[str, tuple[ComponentEntry, ...]] = field(default_factory=dict)
    """By digest."""
    held: dict[str, frozenset[str]] = field(default_factory=dict)
    """The same as keys of components."""


class Catalogues:
    """Always has a catalogue; any thread may ask for it."""

    def __init__(
        self,
        shipped: CatalogueIndex,
        store: WorkerStore,
        *,
        silent_after: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin with what is shipped.

        Args:
            shipped: The catalogue without operators' components.
            store: Where workers announce theirs.
            silent_after: A catalogue that was not announced for so long is gone.
            clock: The time.
        """
        self._shipped = shipped
        self._store = store
        self._silent_after = silent_after
        self._now = clock
        self._lock = threading.Lock()
        self._edition = _Edition(shipped, Documents(shipped))

    @property
    def index(self) -> CatalogueIndex:
        """What specs may name now. Keep it for as long as you deal with one spec."""
        return self._edition.index

    @property
    def documents(self) -> Documents:
        """The same, as clients read it."""
        return self._edition.documents

    def held(self, digest: str) -> frozenset[str]:
        """The operators' components, by their keys, of a worker that announced this digest."""
        return self._edition.held.get(digest, frozenset())

    def refresh(self) -> bool:
        """Look at what is announced; whether the catalogue is another one now. Keeps it when the database is away."""
        with self._lock:
            try:
                announced = self._store.announced_catalogues(self._now() - self._silent_after)
                if announced == list(self._edition.announced):
                    return False
                self._edition = self._made_of(announced)
            except StoreUnavailable:
                return False
        _log.info("Specs may name the components of %d catalogues beside the shipped one.", len(announced))
        return True

    def kept_fresh(self) -> AbstractContextManager[None]:
        """The catalogue is refreshed now and, within it, every few seconds."""
        self.refresh()
        return repeated(self.refresh, REFRESH_SECONDS, "catalogues")

    def _made_of(self, digests: list[str]) -> _Edition:
        known = self._edition.announced
        announced = {digest: known[digest] if digest in known else self._entries(digest) for digest in digests}
        index = self._shipped.with_deployed(entry for entries in announced.values() for entry in entries)
        held = {digest: frozenset(map(component_key, entries)) for digest, entries in announced.items()}
        return _Edition(index, Documents(index), announced, held)

    def _entries(self, digest: str) -> tuple[ComponentEntry, ...]:
        """What was announced; nothing where it is a newer version's, in words that this one does not know."""
        try:
            found = self._store.get_catalogue(digest)
        except ValidationError:
            _log.warning("The catalogue %s can't be read by this version; its components are left out.", digest[:12])
            return ()
        return found.entries if found else ()
