"""`Hornbeam`: a connection to one service.

Leaves HTTP to `_transport`, everything about jobs to `_jobs` and about datasets to `_datasets`.
"""

from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from hornbeam.client._datasets import Datasets
from hornbeam.client._jobs import Jobs
from hornbeam.client._transport import Transport
from schemas.catalog import Catalogue, ComponentEntry
from schemas.jobs import Worker, WorkerPage

DEFAULT_URL = "http://127.0.0.1:8000"


class Hornbeam:
    """A client of one service; safe to share between threads. Close it, or use it in a `with` statement.

    Args:
        base_url: Where the service listens.
        timeout: Seconds to wait for a connection, and between two pieces of an answer.
        retries: How often a request that may be repeated is sent again after a failed connection or a 503.
        transport: Where requests go instead of the network; for tests.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout: float = 30.0,
        retries: int = 2,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._transport = Transport(base_url, timeout=timeout, retries=retries, transport=transport)
        self.jobs = Jobs(self._transport)
        self.datasets = Datasets(self._transport)

    @property
    def base_url(self) -> str:
        """Where the service listens, without a slash at the end."""
        return self._transport.base_url

    def components(self, kind: str | None = None) -> Catalogue:
        """Every component that a spec may name, or those of one kind, such as `layer`."""
        query = {"kind": kind} if kind else {}
        return Catalogue.model_validate_json(self._transport.get("/v1/components", query).content)

    def component(self, kind: str, name: str) -> ComponentEntry:
        """One component, by its name or an alias. Raises ComponentNotFound."""
        path = f"/v1/components/{quote(kind, safe='')}/{quote(name, safe='')}"
        return ComponentEntry.model_validate_json(self._transport.get(path).content)

    def workers(self) -> list[Worker]:
        """The workers that were seen lately."""
        return WorkerPage.model_validate_json(self._transport.get("/v1/workers").content).data

    def close(self) -> None:
        """Let go of connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
