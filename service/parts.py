"""What the API process stands on: settings, store, artifacts, broker. Opened in one place, passed down from there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

from hornbeam.components.catalog import CatalogueIndex, load_catalogue
from hornbeam.queue.base import JobQueue, Live, Planner, Watch
from hornbeam.queue.celery import CeleryPlanner, CeleryQueue, make_celery
from hornbeam.queue.live import RedisLive, RedisWatch
from hornbeam.settings import Settings
from hornbeam.storage.artifacts import ArtifactStore
from hornbeam.storage.base import Store
from hornbeam.storage.files import open_artifacts
from hornbeam.storage.sql import open_store
from service.sources.fetching import Sources, open_sources


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a service is made of; tests put in what they like."""

    settings: Settings
    catalogue: CatalogueIndex
    """What is shipped; `service.catalogues` joins what workers announce."""
    store: Store
    artifacts: ArtifactStore
    queue: JobQueue
    planner: Planner
    live: Live
    watch: Watch
    sources: Sources


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """The parts that the settings name, closed in the end. A broker that is down is no obstacle.

    Raises SettingsInvalid, StoreUnavailable, ArtifactStoreUnavailable.
    """
    async with AsyncExitStack() as opened:
        store = opened.enter_context(closing(await asyncio.to_thread(open_store, settings)))
        artifacts = await asyncio.to_thread(open_artifacts, settings)
        sources = await asyncio.to_thread(open_sources, settings)
        celery = make_celery(settings)
        planner = CeleryPlanner(celery, settings)
        opened.push_async_callback(planner.aclose)
        watch = RedisWatch(settings)
        opened.push_async_callback(watch.aclose)
        yield Parts(
            settings=settings,
            catalogue=load_catalogue(),
            store=store,
            artifacts=artifacts,
            queue=opened.enter_context(closing(CeleryQueue(celery))),
            planner=planner,
            live=opened.enter_context(closing(RedisLive(settings))),
            watch=watch,
            sources=sources,
        )
