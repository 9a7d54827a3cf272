"""The application, built around parts that somebody else has opened or knows how to open."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing, contextmanager
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

import hornbeam
from hornbeam.settings import ANY_HOST
from service import routes
from service.catalogues import Catalogues
from service.datasets import Datasets
from service.dependencies import Service, State
from service.documentation import document
from service.fleet import Fleet
from service.guard import Guarded
from service.headers import Secured
from service.housekeeping import Housekeeping
from service.ingesting import Ingests
from service.instruments import Instruments, Measured, RecordCollector
from service.parts import Parts
from service.problems import add_handlers
from service.recording import Recorder
from service.routing import heads
from service.starting import StartedPlainly
from service.stopping import Stopping
from service.submission import Submissions
from service.threads import Threads
from service.uploads import Uploads
from service.views import JobViews
from service.waiting import Waiting
from service.wakeups import WakeUps

FILE_THREADS = 8
"""For bytes that come in, apart from the store's: large files must not keep polls waiting."""

OpenParts = Callable[[], AbstractAsyncContextManager[Parts]]


class Application(FastAPI):
    """FastAPI with our own OpenAPI document and middleware.

    Args:
        instruments: Where requests are counted.
        allowed_hosts: Under which names it answers.
        options: FastAPI's own.
    """

    def __init__(self, instruments: Instruments, allowed_hosts: Collection[str], **options: Any) -> None:
        super().__init__(**options)
        self.instruments = instruments
        self._allowed_hosts = allowed_hosts

    def build_middleware_stack(self) -> ASGIApp:
        """Ours around FastAPI's, whose outermost layer answers what nobody expected: that is to be counted as well."""
        guarded = Guarded(super().build_middleware_stack(), self._allowed_hosts)
        return StartedPlainly(Measured(Secured(guarded), self.instruments))

    def openapi(self) -> dict[str, Any]:
        """The document, written when it is first asked for."""
        if self.openapi_schema is None:
            self.openapi_schema = document(self)
        return self.openapi_schema


def build_app(open_parts: OpenParts, *, allowed_hosts: Collection[str] = (ANY_HOST,)) -> FastAPI:
    """The application. Its lifespan opens the parts when the server starts, and closes them when it stops."""
    instruments = Instruments()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with open_parts() as parts:
            with _serving(parts, instruments) as service:
                try:
                    yield {"service": service}
                finally:
                    await service.uploads.aclose()

    app = Application(
        instruments,
        allowed_hosts,
        title="Hornbeam",
        version=hornbeam.__version__,
        lifespan=lifespan,
        # A redirect would be to an address that the client made up: its own `Host`.
        redirect_slashes=False,
    )
    # Flat, not included: matched once on the way to the handler, and named by their whole path.
    flat = [route for resource in routes.ALL for route in resource.routes]
    app.router.routes.extend([*flat, *heads(flat)])
    add_handlers(app)
    return app


@contextmanager
def _serving(parts: Parts, instruments: Instruments) -> Iterator[Service]:
    """What requests share, for as long as the application runs."""
    with ExitStack() as held:
        threads = held.enter_context(closing(Threads()))
        wake_ups = held.enter_context(closing(WakeUps(parts.queue, parts.store)))
        stopping = Stopping()
        held.enter_context(stopping.on_signals())
        silent_after = timedelta(seconds=parts.settings.worker_timeout_seconds)
        catalogues = Catalogues(parts.catalogue, parts.store, silent_after=silent_after)
        held.enter_context(catalogues.kept_fresh())
        fleet = Fleet(parts.store, silent_after=silent_after, held=catalogues.held)
        files = held.enter_context(closing(Threads(FILE_THREADS)))
        ingests = Ingests(parts.settings.ingests, parts.settings.ingest_seconds, threads)
        datasets = Datasets(parts, threads, files, ingests)
        keeping = Housekeeping(parts.store, parts.artifacts, upload_seconds=parts.settings.upload_seconds)
        held.enter_context(keeping.kept_up())
        views = JobViews(parts.store, parts.watch, fleet, threads)
        recorder = Recorder(parts.store, fleet, wake_ups, threads)
        collector = RecordCollector(parts.store, fleet)
        instruments.registry.register(collector)
        held.callback(instruments.registry.unregister, collector)
        yield Service(
            parts=parts,
            threads=threads,
            fleet=fleet,
            views=views,
            submissions=Submissions(parts, catalogues, threads, views, recorder),
            stopping=stopping,
            waiting=Waiting(parts.watch, stopping),
            catalogues=catalogues,
            instruments=instruments,
            datasets=datasets,
            uploads=Uploads(parts, threads, files, datasets),
        )
