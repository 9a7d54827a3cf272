"""One worker process: opens its parts, keeps the zygote warm, says that it lives, and runs what it is woken up for.

Celery's threads call `train` and `plan`, one for each slot. Leaves Celery itself to `workers.app`, one attempt to
`workers.supervisor`, and one question to `workers.proving`.
"""

import logging
import random
import threading
from collections.abc import Callable
from contextlib import ExitStack

from hornbeam.errors import InstallationError, QueueUnavailable, StoreUnavailable, Unavailable
from hornbeam.jobs.identifiers import new_worker_id
from hornbeam.jobs.record import CatalogueRecord
from hornbeam.queue.base import PLAN_QUEUE, TRAIN_QUEUE, JobQueue
from hornbeam.queue.live import RedisLive
from hornbeam.queue.proofs import ProofDesk
from hornbeam.settings import Settings
from hornbeam.storage.base import Store
from hornbeam.storage.files import open_artifacts
from hornbeam.storage.sql import open_store
from workers.devices import find_gpus
from workers.draining import Draining
from workers.launcher import LaunchFailed
from workers.parts import Parts
from workers.presence import Presence
from workers.proving import conclusive, prove
from workers.reconciler import Reconciler
from workers.slots import Slots
from workers.supervisor import supervise
from workers.table_cache import TableCache
from workers.workdirs import WorkDirs
from workers.zygote_launcher import ZygoteLauncher

RETRY_SECONDS = 1.0
_IDLE_SECONDS = 0.05
_STORING_SECONDS = 2.0
"""Beyond the time of draining, for the last write to come back."""

_log = logging.getLogger(__name__)


class Host:
    """What a worker process is, between `start` and `stop`."""

    def __init__(self, settings: Settings, queue: JobQueue, *, entry: str, on_fatal: Callable[[], None]) -> None:
        """Prepare; nothing is opened before `start`.

        Args:
            settings: How the installation is set up.
            queue: Where wake-ups are sent.
            entry: What the zygote imports: see `workers.warm`.
            on_fatal: Called when this worker can never work as it is set up.
        """
        self.worker_id = new_worker_id()
        self._settings, self._queue, self._on_fatal = settings, queue, on_fatal
        self._gpus = find_gpus()
        self._launcher = ZygoteLauncher(entry=entry, has_gpu=bool(self._gpus), component_files=settings.component_files)
        self._draining = Draining(settings.drain_seconds)
        self._desk = ProofDesk(settings)
        self._parts: Parts | None = None
        self._is_ready = threading.Event()

    def start(self, queues: frozenset[str], slots: int) -> None:
        """Begin to open and warm up, and return at once.

        Args:
            queues: What this worker consumes, which says what it is: a planner consumes `plan` alone.
            slots: How many jobs, or proofs, it runs at once.
        """
        self._slots = Slots(slots, self._settings, gpus=self._gpus)
        self._is_trainer, self._is_planner = TRAIN_QUEUE in queues, PLAN_QUEUE in queues
        role = "train" if self._is_trainer else "plan"
        self._presence = Presence(
            self.worker_id, role, slots, self._gpus, lambda: self._slots.busy, lambda: self._launcher.holdings
        )
        self._launcher.start()
        threading.Thread(target=self._run, name="host", daemon=True).start()

    def drain(self) -> None:
        """Take no more jobs, and have those that run stopped and given back."""
        self._draining.begin()

    def stop(self) -> None:
        """Drain, wait for that to be done, and let go of everything."""
        self._draining.begin()
        nobody = threading.Event()
        while self._slots.busy and self._draining.seconds_left > -_STORING_SECONDS:
            nobody.wait(_IDLE_SECONDS)
        self._launcher.stop()
        if self._parts is not None:
            self._leave(self._parts)

    def train(self) -> None:
        """Run jobs until none is left that this worker can run. The message was only a wake-up."""
        while (parts := self._wait_until_ready()) is not None:
            try:
                if not self._train_one(parts):
                    return
            except StoreUnavailable as outage:
                _log.warning("Cannot claim a job for now: %s", outage.message)
                self._draining.wait(RETRY_SECONDS)

    def plan(self, request_id: str) -> None:
        """Answer one question, if somebody still waits for the answer."""
        parts = self._wait_until_ready()
        if parts is None:
            return
        try:
            spec = self._desk.take(request_id)
            if spec is None:
                return
            with self._slots.take(), parts.workdirs.new("proof") as workdir:
                answer = prove(spec, parts.launcher, self._settings, workdir)
            if answer is not None:
                self._desk.answer(request_id, conclusive(answer))
        except (QueueUnavailable, LaunchFailed) as failure:
            # Whoever asked has given up by now: the job is proven before it is trained.
            _log.warning("A question to the planner stays unanswered: %s", failure.message)

    def _train_one(self, parts: Parts) -> bool:
        with self._slots.take() as slot:
            if self._draining.is_on:
                return False
            claim = parts.store.claim(
                self.worker_id,
                has_gpu=bool(self._gpus),
                components=self._launcher.holdings.keys,
                lease_seconds=self._settings.lease_seconds,
            )
            if claim is None:
                return False
            if supervise(parts, claim, slot, self._draining):
                self._wake_somebody(parts, claim.job.id)
        return True

    def _wake_somebody(self, parts: Parts, job_id: str) -> None:
        """Send for a job that was given back; where that fails, a reconciler does."""
        try:
            self._queue.send(job_id)
            parts.store.mark_sent([job_id])
        except Unavailable as outage:
            _log.warning("%s waits for a reconciler: %s", job_id, outage.message)

    def _wait_until_ready(self) -> Parts | None:
        """The parts, once they are open and the zygote is warm; None when this worker stops before that."""
        while not self._draining.is_on:
            if self._is_ready.wait(RETRY_SECONDS) and self._launcher.wait_until_ready(RETRY_SECONDS):
                return self._parts
        return None

    def _run(self) -> None:
        parts = self._open()
        if parts is None:
            return
        self._parts = parts
        self._is_ready.set()
        if self._wait_until_ready() is None:
            return
        _log.info("Worker %s is ready: %d slots, %d GPUs.", self.worker_id, self._slots.count, len(self._gpus))
        if self._is_trainer:
            threading.Thread(target=self._reconcile, args=[parts], name="reconciler", daemon=True).start()
        while not self._draining.is_on:
            # While another zygote is on its way nothing is said: one that never comes is a worker that is gone.
            if self._launcher.wait_until_ready(0):
                self._say_hello(parts)
            self._draining.wait(self._settings.heartbeat_seconds)

    def _open(self) -> Parts | None:
        while not self._draining.is_on:
            try:
                return self._parts_from(open_store(self._settings))
            except Unavailable as outage:
                _log.warning("Cannot start for now: %s", outage.message)
                self._draining.wait(RETRY_SECONDS)
            except InstallationError as error:
                _log.critical("Cannot start: %s %s", error.message, error.suggestion or "")
                self._on_fatal()
                return None
        return None

    def _parts_from(self, store: Store) -> Parts:
        """The parts around a store, which is closed again when one of the others can't be opened."""
        with ExitStack() as opened:
            opened.callback(store.close)
            data_dir, artifacts = self._settings.data_dir, open_artifacts(self._settings)
            parts = Parts(
                settings=self._settings,
                store=store,
                artifacts=artifacts,
                live=RedisLive(self._settings),
                launcher=self._launcher,
                workdirs=WorkDirs(data_dir / "work", self.worker_id),
                tables=TableCache(data_dir / "cache" / "tables", artifacts, max_bytes=self._settings.cache_bytes),
            )
            opened.pop_all()
        return parts

    def _say_hello(self, parts: Parts) -> None:
        holdings = self._launcher.holdings
        try:
            if self._is_trainer and holdings.entries:
                parts.store.announce_catalogue(CatalogueRecord(holdings.catalog_digest, holdings.entries))
            parts.store.report_worker(self._presence.record())
            if self._is_planner:
                self._desk.open_for_questions()
        except Unavailable as outage:
            _log.warning("Cannot report for now: %s", outage.message)

    def _reconcile(self, parts: Parts) -> None:
        reconciler = Reconciler(parts, self._queue, free_slots=lambda: self._slots.count - self._slots.busy)
        # Jitter, so that the workers of one installation do not all come at once.
        jitter = random.Random(self.worker_id)  # noqa: S311
        while not self._draining.wait(self._settings.reconcile_seconds * jitter.uniform(0.5, 1.0)):
            reconciler.tick()
            self._take_overlooked(parts)

    def _take_overlooked(self, parts: Parts) -> None:
        """Begin a job that this worker could have begun: its wake-up is lost, or went to one that can't run it."""
        try:
            is_there = self._slots.busy < self._slots.count and parts.store.has_work(
                has_gpu=bool(self._gpus), components=self._launcher.holdings.keys
            )
        except StoreUnavailable:
            return
        if is_there and self._launcher.wait_until_ready(0):
            threading.Thread(target=self.train, name="overlooked", daemon=True).start()

    def _leave(self, parts: Parts) -> None:
        try:
            parts.store.remove_worker(self.worker_id)
        except StoreUnavailable as outage:
            _log.warning("This worker stays on record for a while: %s", outage.message)
        parts.workdirs.close()
        parts.store.close()
