"""A job's event stream that outlives its connections.

Server-sent events by `httpx-sse`; taking the stream up again, with `Last-Event-ID`, is done here.
"""

import time
from collections.abc import Iterator

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError
from pydantic import ValidationError

from hornbeam.client._transport import Call, Transport, pause_after
from hornbeam.errors import HornbeamError, ServiceUnreachable, Unavailable, UnexpectedAnswer
from schemas.events import TERMINAL_EVENTS, Event, EventType

SILENCE = 30.0
"""The service sends a comment every 15 s: after twice that much silence the connection counts as lost."""
PATIENCE = 60.0
"""Seconds without a connection after which to give up."""


class EventStream:
    """The events of one job from number `after` + 1 up to the one that ends it."""

    def __init__(self, transport: Transport, job_path: str, *, after: int) -> None:
        self._transport = transport
        self._job_path = job_path
        self._last = after
        self._over = False
        self._was_connected = False
        self._lost_at: float | None = None
        self._failures = 0

    def __iter__(self) -> Iterator[Event]:
        while not self._over:
            try:
                yield from self._connection()
            except (ServiceUnreachable, Unavailable) as error:
                self._rest_after(error)

    def _connection(self) -> Iterator[Event]:
        """The events of one connection. The service closes it after the last event, and when it stops itself."""
        came = False
        for event in self._received():
            came = True
            if event.type == EventType.PROGRESS:
                yield event
            elif event.seq > self._last:
                self._last = event.seq
                self._over = event.type in TERMINAL_EVENTS
                yield event
        if not came:
            self._over = self._job_is_over()
            self._rest_after(ServiceUnreachable("The service closed the stream of events."))

    def _received(self) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._last:
            headers["Last-Event-ID"] = str(self._last)
        call = Call("GET", f"{self._job_path}/events", headers=headers, read_seconds=SILENCE)
        with self._transport.stream(call) as response:
            self._was_connected, self._lost_at = True, None
            try:
                for message in EventSource(response).iter_sse():
                    if message.data:
                        self._failures = 0
                        yield _event_in(message, response)
            except SSEError as error:
                raise _not_ours(response) from error

    def _rest_after(self, error: HornbeamError) -> None:
        """Wait before the next connection, or raise the error where there was none for too long."""
        if self._over:
            return
        self._lost_at = self._lost_at or time.monotonic()
        if not self._was_connected or time.monotonic() - self._lost_at > PATIENCE:
            raise error
        time.sleep(pause_after(error, self._failures))
        self._failures += 1

    def _job_is_over(self) -> bool:
        return bool(self._transport.get(self._job_path).json()["terminal"])


def _event_in(message: ServerSentEvent, response: httpx.Response) -> Event:
    try:
        return Event.model_validate_json(message.data)
    except ValidationError as error:
        raise _not_ours(response) from error


def _not_ours(response: httpx.Response) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"{response.request.url} did not answer with events.")
