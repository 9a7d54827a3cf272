"""The sources of one service: which there are, and what each is fetched with.

Leaves what becomes of a file to `service.datasets`.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from hornbeam.settings import Settings
from hornbeam.storage.files import open_s3
from service.sources.buckets import Buckets
from service.sources.places import BucketFile, Listed, Place, WebFile

if TYPE_CHECKING:
    from service.sources.web import Web


class Sources:
    """Fetches what the operator lists.

    Args:
        listed: What may be named.
        web: Fetches from hosts; None where none is listed.
        buckets: Fetches from buckets; None where none is listed.
    """

    def __init__(self, listed: Listed, web: "Web | None" = None, buckets: Buckets | None = None) -> None:
        self._listed = listed
        self._web = web
        self._buckets = buckets

    def place(self, url: str) -> Place:
        """Where a URL leads. Raises InvalidDataset, SourceNotAllowed."""
        return self._listed.place(url)

    def open(self, place: Place, *, limit: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The pieces of the file at a place that `place` gave. Raises what `Web.open` and `Buckets.open` raise."""
        if isinstance(place, BucketFile) and self._buckets is not None:
            return self._buckets.open(place, limit=limit)
        if isinstance(place, WebFile) and self._web is not None:
            return self._web.open(place, limit=limit)
        raise AssertionError("what is listed can be fetched")


def open_sources(settings: Settings) -> Sources:
    """What the settings list. Connects to nothing yet. Raises SettingsInvalid where S3's extra is missing."""
    hosts, buckets = settings.source_hosts, settings.source_buckets
    return Sources(
        Listed(hosts, buckets),
        _open_web(settings) if hosts else None,
        Buckets(open_s3(settings.s3_endpoint_url), settings.source_seconds) if buckets else None,
    )


def _open_web(settings: Settings) -> "Web":
    # Only where hosts are listed: httpx takes a twentieth of the start.
    from service.sources.web import Web  # noqa: PLC0415

    return Web(settings.source_seconds)
