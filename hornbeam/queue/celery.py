"""Celery as a carrier of wake-ups, set up so that what was measured to go wrong does not.

A message holds an id and carries no authority: jobs are claimed in the database, proofs are asked for by id.
Leaves the tasks themselves to `workers.tasks`, so that the API can send without importing them.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from celery import Celery
from kombu.exceptions import LimitExceeded, OperationalError
from pydantic import ValidationError
from redis.exceptions import RedisError
from ulid import ULID

from hornbeam.errors import QueueUnavailable
from hornbeam.queue.base import PLAN_QUEUE, PLAN_TASK, TRAIN_QUEUE, TRAIN_TASK, JobQueue, Planner, ProofAnswer
from hornbeam.queue.circuit import Circuit
from hornbeam.queue.connections import connect_async
from hornbeam.queue.proofs import PLANNERS_KEY, answer_key, question_key
from hornbeam.settings import Settings

_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
_TRANSPORT = {
    # Without it a publish to a hung Redis blocks for ever; the consumer's own BRPOP takes 1 s, so it must be more.
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "global_keyprefix": "hornbeam:",
    **_RETRY,
}
_SENDER_TRANSPORT = {**_TRANSPORT, "socket_timeout": 1, "socket_connect_timeout": 0.5}
"""A sender never blocks on the server for long, and somebody waits for it."""


def broker_url(url: str) -> str:
    """A Redis URL in kombu's spelling: `unix:///x?db=1` becomes `redis+socket:///x?virtual_host=1`."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if "db" in query:
        query["virtual_host"] = query.pop("db")
    # Put together by hand: `urlunsplit` drops the slashes of an empty host.
    return f"redis+socket://{parts.netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")


def make_celery(settings: Settings) -> Celery:
    """A Celery application for the API and the workers of this installation."""
    app = Celery("hornbeam", broker=broker_url(settings.redis_url.get_secret_value()), set_as_current=False)
    app.conf.update(
        # Acknowledged before it runs: a late acknowledgement delivers a long task again and again (celery#5935).
        task_acks_late=False,
        # The record of a job is the database. A result backend would say PENDING of an id that it never saw.
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue=TRAIN_QUEUE,
        task_publish_retry=True,
        task_publish_retry_policy=_RETRY,
        # One thread per slot supervises one trainer: pings are answered while all of them are busy.
        worker_pool="threads",
        worker_concurrency=settings.slots,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        # None never gives up; 0 gives up at once, and 100, the default, after a while, for good.
        broker_connection_max_retries=None,
        broker_transport_options=_TRANSPORT,
    )
    return app


class Sender:
    """Publishes messages within a time budget. Safe to share between threads."""

    def __init__(self, app: Celery, *, connections: int = 4) -> None:
        self._app = app
        self._pool: Any = app.connection_for_write(transport_options=_SENDER_TRANSPORT).Pool(connections)
        self._circuit = Circuit()

    def send(self, task: str, id: str, queue: str) -> None:
        """Publish a message with one id. Takes a second or two at most; raises QueueUnavailable."""
        if self._circuit.is_open:
            raise QueueUnavailable
        try:
            with self._pool.acquire(block=True, timeout=1) as connection:
                self._app.send_task(task, args=[id], queue=queue, connection=connection)
        except (OperationalError, RedisError, OSError, LimitExceeded) as error:
            self._circuit.failed()
            raise QueueUnavailable from error

    def close(self) -> None:
        """Let go of connections."""
        self._pool.force_close_all()


class CeleryQueue(JobQueue):
    """Wake-ups for train workers."""

    def __init__(self, app: Celery) -> None:
        self._sender = Sender(app)

    def send(self, job_id: str) -> None:
        """Wake a worker up; blocks for milliseconds, a second or two with a broker that hangs."""
        self._sender.send(TRAIN_TASK, job_id, TRAIN_QUEUE)

    def close(self) -> None:
        """Let go of connections."""
        self._sender.close()


class CeleryPlanner(Planner):
    """Asks a planner worker: a message with the request's id, and an answer awaited on a Redis key.

    One event loop uses it. Where no planner has said lately that it is ready, the answer is None at once.
    """

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._sender = Sender(app)
        self._redis = connect_async(settings, timeout=None)
        self._circuit = Circuit()

    async def prove(self, spec: Mapping[str, Any], *, timeout: float) -> ProofAnswer | None:
        """The proof, or None when no planner answers in time, or the broker does not."""
        if self._circuit.is_open:
            return None
        try:
            async with asyncio.timeout(timeout):
                return await self._ask(str(ULID()), spec, timeout)
        except TimeoutError:
            return None
        except (RedisError, OSError, QueueUnavailable):
            self._circuit.failed()
            return None

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._redis.aclose()
        await asyncio.to_thread(self._sender.close)

    async def _ask(self, request_id: str, spec: Mapping[str, Any], timeout: float) -> ProofAnswer | None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.exists(PLANNERS_KEY)
            pipeline.set(question_key(request_id), json.dumps(spec), px=int(timeout * 1000))
            ready, _ = await pipeline.execute()
        if not ready:
            await self._redis.delete(question_key(request_id))
            return None
        await asyncio.to_thread(self._sender.send, PLAN_TASK, request_id, PLAN_QUEUE)
        # The server gives up a moment after us, so that no connection is left blocked on it.
        found = await self._redis.blpop([answer_key(request_id)], timeout=timeout + 1)
        return _read_answer(found[1]) if found else None


def _read_answer(body: bytes | str) -> ProofAnswer | None:
    try:
        return ProofAnswer.model_validate_json(body)
    except ValidationError:
        # A planner of another version: as good as none. The worker proves the job.
        return None
