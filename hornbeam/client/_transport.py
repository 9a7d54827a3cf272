"""HTTP for the client: one connection pool, errors as our exceptions, careful repetition.

Leaves the meaning of paths and bodies to `_client`, `_jobs` and `_datasets`.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

import hornbeam
from hornbeam.client._problems import error_of, not_ours
from hornbeam.errors import HornbeamError, KeyInFlight, ServiceUnreachable, Unavailable

LONGEST_PAUSE = 5.0
"""Seconds between two tries at most, whatever `Retry-After` asks for."""
IN_FLIGHT_SECONDS = 75.0
"""For how long to ask again while a key is in flight: after a minute the service frees one whose request has died."""
_FIRST_PAUSE = 0.2
_JSON = {"Content-Type": "application/json"}

QueryValue = str | int | list[str]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to make."""

    method: str
    path: str
    query: Mapping[str, QueryValue] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    """JSON, unless the headers say something else."""
    body: Callable[[], Iterator[bytes]] | None = None
    """In place of `content`: makes the pieces of a large body, anew for each try."""
    repeatable: bool = True
    """Whether doing it twice is the same as doing it once."""
    read_seconds: float | None = None
    """How long to wait for a piece of the answer; the client's timeout where it is left out."""


class Transport:
    """Sends requests to one service. Any thread may use it."""

    def __init__(
        self, base_url: str, *, timeout: float, retries: int, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Connect to nothing yet. Raises ServiceUnreachable for an address that is none."""
        self.base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._retries = retries
        self._http = httpx.Client(
            base_url=self.base_url,
            timeout=timeout,
            transport=transport,
            headers={"User-Agent": f"hornbeam/{hornbeam.__version__}"},
            # A proxy that is configured for the internet knows nothing of this machine's own services.
            trust_env=not _is_loopback(self.base_url),
        )

    def get(self, path: str, query: Mapping[str, QueryValue] | None = None) -> httpx.Response:
        """GET a path. Raises what `send` raises."""
        return self.send(Call("GET", path, query=query or {}))

    def send(self, call: Call) -> httpx.Response:
        """The whole answer, with a status below 400.

        Raises the service's own error, or ServiceUnreachable or UnexpectedAnswer.
        """
        began, failures = time.monotonic(), 0
        while True:
            try:
                return self._send_once(call)
            except KeyInFlight as error:
                # We have asked before, and lost the connection. The first request is under way still, or died.
                if time.monotonic() - began > IN_FLIGHT_SECONDS:
                    raise
                time.sleep(pause_after(error, 0))
            except (ServiceUnreachable, Unavailable) as error:
                if failures >= self._retries or not call.repeatable:
                    raise
                time.sleep(pause_after(error, failures))
                failures += 1

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """The answer as it comes in. Raises what `send` raises, also while the body is read; never repeats."""
        with self._translated(), self._http.stream(call.method, call.path, **self._options(call)) as response:
            if response.status_code >= 400:
                response.read()
                raise error_of(response)
            yield response

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def _send_once(self, call: Call) -> httpx.Response:
        with self._translated():
            response = self._http.request(call.method, call.path, **self._options(call))
        if response.status_code >= 400:
            raise error_of(response)
        if not _is_ours(response):
            raise not_ours(response)
        return response

    def _options(self, call: Call) -> dict[str, Any]:
        return {
            "params": dict(call.query),
            "headers": {**({} if call.content is None else _JSON), **call.headers},
            "content": call.body() if call.body else call.content,
            "timeout": httpx.Timeout(self._timeout, read=call.read_seconds or self._timeout),
        }

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise ServiceUnreachable(
                f"No service answers at {self.base_url} ({_reason(error)}).",
                suggestion="Start one with `hornbeam up`, or name another with --server or HORNBEAM_SERVER.",
            ) from error


def pause_after(error: HornbeamError, attempt: int) -> float:
    """Seconds to wait before trying again: what the service asked for, else twice as long each time."""
    asked = error.retry_after
    return min(_FIRST_PAUSE * 2**attempt if asked is None else asked, LONGEST_PAUSE)


def _is_ours(response: httpx.Response) -> bool:
    """Whether a good answer is one that the service gives: JSON, or nothing; it sends nobody elsewhere."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    has_sense = kind == "application/json" or not response.content
    return has_sense and (response.is_success or response.status_code == httpx.codes.NOT_MODIFIED)


def _is_loopback(url: str) -> bool:
    """Whether an address is on this machine. Raises ServiceUnreachable."""
    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise ServiceUnreachable(f"{url} is no address: {error}.") from error
    return host in {"localhost", "::1"} or host.startswith("127.")


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "the connection timed out"
    if isinstance(error, httpx.TimeoutException):
        return "the answer timed out"
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
