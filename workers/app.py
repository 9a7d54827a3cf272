"""A Celery application with a `Host` behind it that starts, drains and stops with the Celery worker."""

import os
from typing import Any

from celery import Celery, bootsteps
from celery.worker import state

from hornbeam.queue.celery import CeleryQueue, make_celery
from hornbeam.settings import Settings
from workers.host import Host
from workers.tasks import register_tasks


def make_worker(settings: Settings, *, entry: str = "workers.warm") -> Celery:
    """The application for `celery -A … worker -Q train` (or `-Q plan`).

    Args:
        settings: How the installation is set up.
        entry: What the zygote imports: see `workers.warm`.
    """
    app = make_celery(settings)
    app.conf.worker_pool = "workers.pool:SlotPool"
    host = Host(settings, CeleryQueue(app), entry=entry, on_fatal=_stop_celery)
    register_tasks(app, host)
    app.steps["worker"].add(_step_of(host))
    return app


def _stop_celery() -> None:
    # Celery exits with it. Starting again would not help: the same as for a setting that is not valid.
    state.should_stop = os.EX_CONFIG


def _step_of(host: Host) -> type[bootsteps.StartStopStep]:
    """The host as a step of the worker's blueprint, which makes one of the class."""

    class HostStep(bootsteps.StartStopStep):  # type: ignore[misc]
        """Celery closes all steps, then stops them; the pool's threads end in between, once drained."""

        # Pool first: it is stopped last, and what runs in it needs the host.
        requires = ("celery.worker.components:Pool",)

        def start(self, worker: Any) -> None:
            host.start(frozenset(worker.app.amqp.queues.consume_from), worker.concurrency)

        def close(self, worker: Any) -> None:  # noqa: ARG002 - Celery passes it
            host.drain()

        def stop(self, worker: Any) -> None:  # noqa: ARG002
            host.stop()

        def terminate(self, worker: Any) -> None:  # noqa: ARG002
            host.stop()

    return HostStep
