"""First answers by Idempotency-Key. A key is reserved before the work, so of two that race one gets it."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BindParameter, bindparam, delete, select, update

from hornbeam.errors import KeyInFlight, KeyReused
from hornbeam.storage.base import IdempotencyStore, StoredAnswer
from hornbeam.storage.sql.database import InEachDialect
from hornbeam.storage.sql.part import Part
from hornbeam.storage.sql.tables import keys

_KEY: BindParameter[str] = bindparam("b_key")

_RESERVE = InEachDialect(lambda sql: sql.insert(keys).on_conflict_do_nothing().returning(keys.c.key))
_LOCK = select(keys).where(keys.c.key == _KEY).with_for_update()
_SET = update(keys).where(keys.c.key == _KEY)
_RELEASE = delete(keys).where(keys.c.key == _KEY, keys.c.job_id.is_(None))


class SqlIdempotency(Part, IdempotencyStore):
    """The part of the store that remembers answers."""

    def reserve_key(self, key: str, body_digest: str, *, abandoned_before: datetime) -> StoredAnswer | None:
        """See IdempotencyStore."""
        now = self._now()
        with self._database.writing() as connection:
            new = {"key": key, "body_digest": body_digest, "reserved_at": now}
            if connection.execute(self._spoken(_RESERVE), new).one_or_none() is not None:
                return None
            first = connection.execute(_LOCK, {"b_key": key}).one_or_none()
            if first is None:  # it was released between the two statements
                raise KeyInFlight
            if first.body_digest != body_digest:
                raise KeyReused
            if first.job_id is not None:
                return StoredAnswer(first.job_id, first.status, first.headers or {}, first.body)
            if first.reserved_at >= abandoned_before:
                raise KeyInFlight
            connection.execute(_SET, {"b_key": key, "reserved_at": now})
        return None

    def store_answer(self, key: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """See IdempotencyStore."""
        answer = {"status": status, "headers": dict(headers), "body": body}
        with self._database.writing() as connection:
            connection.execute(_SET.where(keys.c.job_id.is_not(None)), {"b_key": key, **answer})

    def release_key(self, key: str) -> None:
        """See IdempotencyStore. A key that led to a job stays."""
        with self._database.writing() as connection:
            connection.execute(_RELEASE, {"b_key": key})
