"""A job's events as a stream of server-sent events, from the log and then live, until the job is over.

The log in the database is what counts: signals only say when to look. So with a broker that is down the stream is
slower and complete; with a database that is down it pauses. Leaves replaying after a lost connection to the client's
`Last-Event-ID`.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from hornbeam.errors import JobNotFound, StoreUnavailable
from hornbeam.jobs.lifecycle import is_terminal
from hornbeam.jobs.record import EventRecord
from hornbeam.queue.base import Watch
from hornbeam.storage.base import JobStore
from schemas.events import TERMINAL_EVENTS, Event, EventType
from schemas.jobs import Progress
from service.jobs import to_event
from service.stopping import Stopping
from service.threads import Threads

RETRY_MILLISECONDS = 1000
QUIET_SECONDS = 15.0
"""After so long without an event there is a comment, which keeps proxies from closing the connection."""
_PAUSE_SECONDS = 1.0
_PAGE = 100


class EventLog:
    """Reads one job's events, remembering how far it has come."""

    def __init__(self, store: JobStore, threads: Threads, job_id: str, *, after: int) -> None:
        self._store = store
        self._threads = threads
        self.job_id = job_id
        self._kept: list[EventRecord] = []
        self.last = after
        """The number of the last event that was read."""
        self._is_behind = False
        self.is_over = False
        """Whether nothing will follow what was read."""

    @property
    def has_more(self) -> bool:
        """Whether there is no need to wait before the next `read`."""
        return bool(self._kept) or self._is_behind

    @property
    def is_drained(self) -> bool:
        """Whether everything was read and handed out."""
        return self.is_over and not self._kept

    async def open(self) -> None:
        """Read the first events, for the next `read` to return. Raises JobNotFound, StoreUnavailable."""
        self._kept = await self.read()

    async def read(self) -> list[EventRecord]:
        """Some events that are new. Raises JobNotFound, StoreUnavailable."""
        if self._kept:
            kept, self._kept = self._kept, []
            return kept
        self._is_behind = False  # first of all: should reading fail, there is a pause before the next try
        found = await self._threads.run(self._read)
        self._is_behind = len(found) == _PAGE
        if found:
            self.last = found[-1].seq
        return found

    def _read(self) -> list[EventRecord]:
        found = self._store.events(self.job_id, after=self.last, limit=_PAGE)
        if found:
            self.is_over = found[-1].type in TERMINAL_EVENTS
        elif is_terminal(self._store.get_job(self.job_id).status):
            # Whoever begins after the last event would wait for ever. It was written with the status: look again.
            found = self._store.events(self.job_id, after=self.last, limit=_PAGE)
            self.is_over = not found or found[-1].type in TERMINAL_EVENTS
        return found


class EventStream:
    """The stream's bytes. It ends with the job, when the job is deleted, and when the process stops."""

    def __init__(self, log: EventLog, watch: Watch, stopping: Stopping) -> None:
        self._log = log
        self._watch = watch
        self._stopping = stopping
        self._patience = QUIET_SECONDS

    async def chunks(self) -> AsyncIterator[bytes]:
        """What to send, as it comes."""
        yield format_sse_event(retry=RETRY_MILLISECONDS)
        async with self._watch.watching(self._log.job_id) as signals:
            while not (self._log.is_drained or self._stopping.is_set):
                for chunk in await self._next(signals):
                    yield chunk

    async def _next(self, signals: AsyncIterator[Progress | None]) -> list[bytes]:
        was_quiet = False
        signal = None
        if not self._log.has_more:
            try:
                async with self._stopping.at_most(self._patience):
                    signal = await anext(signals)
            except TimeoutError:
                was_quiet = True
        if signal is not None:
            return [_progress(signal, self._log.last)]
        news = [_formatted(event) for event in await self._look()]
        return news or ([KEEPALIVE_COMMENT] if was_quiet else [])

    async def _look(self) -> list[EventRecord]:
        try:
            found = await self._log.read()
        except StoreUnavailable:
            self._patience = _PAUSE_SECONDS
            return []
        except JobNotFound:
            self._log.is_over = True
            return []
        self._patience = QUIET_SECONDS
        return found


def _formatted(event: EventRecord) -> bytes:
    body = to_event(event).model_dump_json()
    return format_sse_event(data_str=body, event=event.type.value, id=str(event.seq))


def _progress(progress: Progress, last: int) -> bytes:
    """Without an id: it is not replayed. In its body stands the number of the event before it."""
    data = progress.model_dump(mode="json")
    event = Event(seq=last, type=EventType.PROGRESS, at=datetime.now(UTC), data=data)
    return format_sse_event(data_str=event.model_dump_json(), event=event.type.value)
