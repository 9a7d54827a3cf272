"""What Prometheus is told: of requests as they pass, of jobs and workers when it asks.

Labels are route templates, methods and statuses: never ids, so their number is bounded.
"""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hornbeam.storage.base import Store
from schemas.jobs import JobStatus
from service.fleet import Fleet

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Instruments:
    """The instruments of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "hornbeam_http_requests", "Answered requests.", ("method", "route", "status"), registry=self.registry
        )
        self.latency = Histogram(
            "hornbeam_http_request_seconds",
            "Seconds until an answer began, without those that a client asked to be held back.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "hornbeam_http_requests_in_flight", "Requests and streams under way.", registry=self.registry
        )


class Measured:
    """ASGI middleware that counts and times every request."""

    def __init__(self, app: ASGIApp, instruments: Instruments) -> None:
        self._app = app
        self._instruments = instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watching the start of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"], time.perf_counter() - begin)
            await send(message)

        self._instruments.in_flight.inc()
        try:
            await self._app(scope, receive, watched)
        finally:
            self._instruments.in_flight.dec()

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._instruments.requests.labels(method, route, status).inc()
        if b"wait=" not in scope["query_string"]:
            self._instruments.latency.labels(method, route).observe(seconds)


class RecordCollector(Collector):
    """Jobs and workers as the database has them at the moment of asking. Raises StoreUnavailable."""

    def __init__(self, store: Store, fleet: Fleet) -> None:
        self._store = store
        self._fleet = fleet

    def collect(self) -> Iterable[Metric]:
        """The gauges."""
        jobs = GaugeMetricFamily("hornbeam_jobs", "Jobs on record.", labels=["status"])
        counted = self._store.count_jobs()
        for status, count in counted.items():
            jobs.add_metric([status.value], count)
        yield jobs
        depth = counted[JobStatus.QUEUED]
        yield GaugeMetricFamily("hornbeam_queue_depth", "Jobs that wait for a slot.", value=depth)
        yield from self._workers()

    def _workers(self) -> Iterable[Metric]:
        alive = [worker for worker in self._store.list_workers() if self._fleet.is_alive(worker)]
        workers = GaugeMetricFamily("hornbeam_workers_alive", "Workers heard of lately.", labels=["role"])
        for role in ("train", "plan"):
            workers.add_metric([role], sum(worker.role == role for worker in alive))
        yield workers
        trainers = [worker for worker in alive if worker.role == "train"]
        slots = GaugeMetricFamily("hornbeam_slots", "Jobs that can train at once.")
        slots.add_metric([], sum(worker.slots for worker in trainers))
        yield slots
        busy = GaugeMetricFamily("hornbeam_slots_busy", "Slots that train a job.")
        busy.add_metric([], sum(worker.busy_slots for worker in trainers))
        yield busy
