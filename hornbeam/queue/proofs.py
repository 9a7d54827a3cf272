"""Questions to the planner and its answers, as Redis keys that live as long as somebody may wait for them.

The Celery message carries the request's id alone, so a message that comes late finds nothing to do. This is the
planner's side and the names of the keys; the asking side is `hornbeam.queue.celery.CeleryPlanner`.
"""

import json
from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from hornbeam.errors import QueueUnavailable
from hornbeam.queue.base import ProofAnswer
from hornbeam.queue.connections import connect
from hornbeam.settings import Settings

LIFE_SECONDS = 60
PLANNERS_KEY = "hornbeam:planners"
"""There while at least one planner is ready."""


def question_key(request_id: str) -> str:
    """Where the normalised spec waits for a planner."""
    return f"hornbeam:proof:{request_id}:spec"


def answer_key(request_id: str) -> str:
    """A list with one element, so that the asking side can block on it."""
    return f"hornbeam:proof:{request_id}:answer"


class ProofDesk:
    """The planner's side."""

    def __init__(self, settings: Settings) -> None:
        self._redis: Redis = connect(settings, timeout=2.0)
        self._presence_ms = int(settings.heartbeat_seconds * 3000)

    def open_for_questions(self) -> None:
        """Say that a planner is ready; forgotten after three heartbeats. Raises QueueUnavailable."""
        try:
            self._redis.set(PLANNERS_KEY, 1, px=self._presence_ms)
        except RedisError as error:
            raise QueueUnavailable from error

    def take(self, request_id: str) -> Mapping[str, Any] | None:
        """The spec to prove, or None where nobody waits for it any more. Raises QueueUnavailable."""
        try:
            found = self._redis.getdel(question_key(request_id))
        except RedisError as error:
            raise QueueUnavailable from error
        return json.loads(found) if isinstance(found, bytes) else None

    def answer(self, request_id: str, answer: ProofAnswer) -> None:
        """Leave the answer. Raises QueueUnavailable."""
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.rpush(answer_key(request_id), answer.model_dump_json())
                pipeline.expire(answer_key(request_id), LIFE_SECONDS)
                pipeline.execute()
        except RedisError as error:
            raise QueueUnavailable from error
