"""Datasets on record: the locks around their files, who uses them, and lists of them.

A lock on a file is a lock in the database, by key: on PostgreSQL an advisory one until the transaction ends, on SQLite
the transaction itself. Leaves uploads in parts to `uploads`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from hornbeam.datasets.record import Completion, DatasetChanges, DatasetRecord, NewDataset, Reading
from hornbeam.errors import DatasetInUse, DatasetNotFound
from hornbeam.jobs.lifecycle import TERMINAL
from hornbeam.storage.datasets import DatasetQuery, DatasetStore, IsStored
from hornbeam.storage.pages import Page
from hornbeam.storage.sql.cursors import Place, decode, encode, pair_digest
from hornbeam.storage.sql.part import Part, columns_of, row_of
from hornbeam.storage.sql.tables import dataset_tags, datasets, job_datasets, jobs
from hornbeam.storage.sql.uploads import complete

_COLUMNS = columns_of(DatasetRecord, datasets)
_ADD = insert(datasets)
_ADD_TAGS = insert(dataset_tags)
_DROP_TAGS = delete(dataset_tags).where(dataset_tags.c.dataset_id == bindparam("b_id"))
_GET = select(*_COLUMNS).where(datasets.c.id == bindparam("b_id"))
_LOCK = _GET.with_for_update()
_SET = update(datasets).where(datasets.c.id == bindparam("b_id")).returning(*_COLUMNS)
_DELETE = delete(datasets).where(datasets.c.id == bindparam("b_id"))
_PREVIEW = select(datasets.c.preview).where(datasets.c.id == bindparam("b_id"))
_TWIN = (
    select(*_COLUMNS)
    .where(datasets.c.fingerprint == bindparam("b_fingerprint"))
    .order_by(datasets.c.created_at, datasets.c.id)
    .limit(1)
)
_USER = (
    select(jobs.c.id)
    .join(job_datasets, job_datasets.c.job_id == jobs.c.id)
    .where(job_datasets.c.dataset_id == bindparam("b_id"), jobs.c.status.not_in(sorted(TERMINAL)))
    .order_by(jobs.c.created_at, jobs.c.id)
    .limit(1)
)
_NAMED = select(literal(1)).where(
    or_(
        select(literal(1)).where(datasets.c.sha256 == bindparam("b_digest")).exists(),
        select(literal(1)).where(datasets.c.table_sha256 == bindparam("b_digest")).exists(),
    )
)
_LOCK_FILE = select(func.pg_advisory_xact_lock(bindparam("b_key")))


class SqlDatasets(Part, DatasetStore):
    """The part of the store that knows datasets."""

    def create_dataset(
        self,
        dataset: NewDataset,
        *,
        is_stored: IsStored,
        once: bool = False,
        completes: Completion | None = None,
    ) -> DatasetRecord | None:
        """See DatasetStore."""
        record = _first_version(dataset)
        fingerprint = _fingerprint(record.name, record.sha256, record.asked)
        with self._database.writing() as connection:
            if not self._hold_files(connection, record, is_stored):
                return None
            if once and (twin := connection.execute(_TWIN, {"b_fingerprint": fingerprint}).one_or_none()):
                return DatasetRecord(*twin)
            row = {**row_of(record), "preview": list(dataset.reading.preview), "fingerprint": fingerprint}
            connection.execute(_ADD, row)
            _add_tags(connection, record)
            if completes is not None:
                complete(connection, completes, record.id)
        return record

    def get_dataset(self, dataset_id: str) -> DatasetRecord:
        """See DatasetStore."""
        with self._database.reading() as connection:
            return _found(connection, _GET, dataset_id)

    def find_dataset(self, name: str, sha256: str, asked: Mapping[str, Any]) -> DatasetRecord | None:
        """See DatasetStore."""
        with self._database.reading() as connection:
            row = connection.execute(_TWIN, {"b_fingerprint": _fingerprint(name, sha256, asked)}).one_or_none()
        return None if row is None else DatasetRecord(*row)

    def preview(self, dataset_id: str) -> list[list[Any]]:
        """See DatasetStore."""
        with self._database.reading() as connection:
            rows: list[list[Any]] | None = connection.execute(_PREVIEW, {"b_id": dataset_id}).scalar_one_or_none()
        if rows is None:
            raise DatasetNotFound
        return rows

    def list_datasets(self, query: DatasetQuery) -> Page[DatasetRecord]:
        """See DatasetStore."""
        after = None if query.after is None else decode(query.after, _bound(query))
        with self._database.reading() as connection:
            found = [DatasetRecord(*row) for row in connection.execute(_statement(query, after))]
        rows = tuple(found[: query.limit])
        more = len(found) > len(rows)
        return Page(rows, encode((rows[-1].created_at, rows[-1].id), _bound(query)) if more else None)

    def change_dataset(self, dataset_id: str, changes: DatasetChanges, *, is_stored: IsStored) -> DatasetRecord | None:
        """See DatasetStore."""
        with self._database.writing() as connection:
            before = _found(connection, _LOCK, dataset_id)
            record = _changed(before, changes)
            if record.table_sha256 != before.table_sha256:
                _refuse_if_used(connection, dataset_id)
            if changes.reading is not None and not self._hold_files(connection, record, is_stored):
                return None
            values = row_of(record) | {"fingerprint": _fingerprint(record.name, record.sha256, record.asked)}
            if changes.reading is not None:
                values["preview"] = list(changes.reading.preview)
            row = connection.execute(_SET, {"b_id": dataset_id, **values}).one()
            if changes.metadata is not None:
                connection.execute(_DROP_TAGS, {"b_id": dataset_id})
                _add_tags(connection, record)
        return DatasetRecord(*row)

    def delete_dataset(self, dataset_id: str) -> DatasetRecord:
        """See DatasetStore."""
        with self._database.writing() as connection:
            record = _found(connection, _LOCK, dataset_id)
            _refuse_if_used(connection, dataset_id)
            connection.execute(_DELETE, {"b_id": dataset_id})
        return record

    def drop_file(self, key: str, delete: Callable[[str], None]) -> bool:
        """See DatasetStore."""
        with self._database.writing() as connection:
            self._lock_files(connection, [key])
            if _is_named(connection, key):
                return False
            delete(key)
        return True

    def unnamed_files(self, keys: Sequence[str]) -> list[str]:
        """See DatasetStore."""
        with self._database.reading() as connection:
            return [key for key in keys if not _is_named(connection, key)]

    def _hold_files(self, connection: Connection, record: DatasetRecord, is_stored: IsStored) -> bool:
        """Lock both files until the transaction ends; whether they are there."""
        keys = (record.file_key, record.table_key)
        self._lock_files(connection, keys)
        return all(is_stored(key) for key in keys)

    def _lock_files(self, connection: Connection, keys: Iterable[str]) -> None:
        if self._database.is_sqlite:
            return
        # In one order, so that two never wait for each other.
        for number in sorted(map(_lock_number, keys)):
            connection.execute(_LOCK_FILE, {"b_key": number})


def _first_version(dataset: NewDataset) -> DatasetRecord:
    given = row_of(dataset) | _fields_of(dataset.reading)
    del given["reading"]
    return DatasetRecord(**given, version=1)


def _changed(record: DatasetRecord, changes: DatasetChanges) -> DatasetRecord:
    changed: dict[str, Any] = {} if changes.reading is None else _fields_of(changes.reading)
    if changes.name is not None:
        changed["name"] = changes.name
    if changes.metadata is not None:
        changed["metadata"] = changes.metadata
    return replace(record, **changed, version=record.version + 1)


def _fields_of(reading: Reading) -> dict[str, Any]:
    """What a record shows of a reading."""
    fields = row_of(reading)
    del fields["preview"]
    return fields


def _found(connection: Connection, statement: Select[Any], dataset_id: str) -> DatasetRecord:
    row = connection.execute(statement, {"b_id": dataset_id}).one_or_none()
    if row is None:
        raise DatasetNotFound
    return DatasetRecord(*row)


def _refuse_if_used(connection: Connection, dataset_id: str) -> None:
    """Raises DatasetInUse. The dataset's row is locked, so that no job can come to use it meanwhile."""
    job_id = connection.execute(_USER, {"b_id": dataset_id}).scalar_one_or_none()
    if job_id is not None:
        raise DatasetInUse(f"The job {job_id} uses this dataset, and is not over.")


def _add_tags(connection: Connection, record: DatasetRecord) -> None:
    pairs = sorted({pair_digest(key, value) for key, value in record.metadata.items()})
    if pairs:
        row = {"created_at": record.created_at, "dataset_id": record.id}
        connection.execute(_ADD_TAGS, [{"pair": pair, **row} for pair in pairs])


def _is_named(connection: Connection, key: str) -> bool:
    digest = key.rpartition("/")[2].partition(".")[0]
    return connection.execute(_NAMED, {"b_digest": digest}).one_or_none() is not None


def _lock_number(key: str) -> int:
    """The number that PostgreSQL locks for a file."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)


def _fingerprint(name: str, sha256: str, asked: Mapping[str, Any]) -> str:
    told = json.dumps([name, sha256, dict(asked)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _statement(query: DatasetQuery, after: Place | None) -> Select[Any]:
    """The rows of a page, and one more if there is one."""
    where = [_has_pair(pair_digest(key, value)) for key, value in sorted(query.metadata.items())]
    if query.created_after is not None:
        where.append(datasets.c.created_at > query.created_after)
    if after is not None:
        here = tuple_(datasets.c.created_at, datasets.c.id)
        there = tuple_(literal(after[0], datasets.c.created_at.type), literal(after[1], datasets.c.id.type))
        where.append(here < there if query.newest_first else here > there)
    order = [datasets.c.created_at, datasets.c.id]
    ordered = [column.desc() for column in order] if query.newest_first else order
    return select(*_COLUMNS).where(and_(True, *where)).order_by(*ordered).limit(query.limit + 1)


def _has_pair(pair: str) -> ColumnElement[bool]:
    tag = dataset_tags.alias()
    return (
        select(literal(1))
        .where(tag.c.pair == pair, tag.c.created_at == datasets.c.created_at, tag.c.dataset_id == datasets.c.id)
        .exists()
    )


def _bound(query: DatasetQuery) -> list[Any]:
    """What a cursor is bound to: this list, its order and filters, not the size of its pages."""
    since = None if query.created_after is None else query.created_after.timestamp()
    return ["datasets", query.newest_first, sorted(query.metadata.items()), since]
