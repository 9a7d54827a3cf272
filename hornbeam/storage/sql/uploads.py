"""Uploads in parts, and who completes them: the token is checked by the write that ends it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from hornbeam.datasets.record import Completion, NewUpload, PartRecord, UploadRecord
from hornbeam.errors import UploadBusy, UploadNotFound
from hornbeam.storage.datasets import UploadStore
from hornbeam.storage.sql.database import upsert
from hornbeam.storage.sql.part import Part, columns_of, row_of
from hornbeam.storage.sql.tables import upload_parts, uploads

_ADD = insert(uploads)
_GET = select(*columns_of(UploadRecord, uploads)).where(uploads.c.id == bindparam("b_id"))
_LOCK = _GET.with_for_update()
_SET = update(uploads).where(uploads.c.id == bindparam("b_id"))
_DELETE = delete(uploads).where(uploads.c.id == bindparam("b_id"))
_PARTS = (
    select(*columns_of(PartRecord, upload_parts))
    .where(upload_parts.c.upload_id == bindparam("b_id"))
    .order_by(upload_parts.c.number)
)
_PART = select(*columns_of(PartRecord, upload_parts)).where(
    upload_parts.c.upload_id == bindparam("b_id"), upload_parts.c.number == bindparam("b_number")
)
_PUT_PART = upsert(upload_parts)
_DROP_PARTS = delete(upload_parts).where(upload_parts.c.upload_id == bindparam("b_id"))
_HELD = update(uploads).where(
    uploads.c.id == bindparam("b_id"),
    uploads.c.completion == bindparam("b_completion"),
    uploads.c.completing_at.is_not(None),
    uploads.c.dataset_id.is_(None),
)
_EXPIRE = (
    delete(uploads)
    .where(
        uploads.c.touched_at < bindparam("b_touched"),
        or_(uploads.c.completing_at.is_(None), uploads.c.completing_at < bindparam("b_abandoned")),
    )
    .returning(uploads.c.id)
)
_KNOWN = select(uploads.c.id).where(uploads.c.id.in_(bindparam("b_ids", expanding=True)))


class SqlUploads(Part, UploadStore):
    """The part of the store that knows files that come in parts."""

    def create_upload(self, upload: NewUpload) -> UploadRecord:
        """See UploadStore."""
        record = UploadRecord(
            **row_of(upload), touched_at=self._now(), completion=0, completing_at=None, dataset_id=None
        )
        with self._database.writing() as connection:
            connection.execute(_ADD, row_of(record))
        return record

    def get_upload(self, upload_id: str) -> UploadRecord:
        """See UploadStore."""
        with self._database.reading() as connection:
            return _found(connection, upload_id)

    def upload_parts(self, upload_id: str) -> list[PartRecord]:
        """See UploadStore."""
        with self._database.reading() as connection:
            parts = [PartRecord(*row) for row in connection.execute(_PARTS, {"b_id": upload_id})]
            if not parts:
                _found(connection, upload_id)
        return parts

    def put_part(self, part: PartRecord) -> PartRecord | None:
        """See UploadStore."""
        with self._database.writing() as connection:
            upload = _found(connection, part.upload_id, lock=True)
            if upload.completing_at is not None or upload.dataset_id is not None:
                raise UploadBusy
            named = {"b_id": part.upload_id, "b_number": part.number}
            replaced = connection.execute(_PART, named).one_or_none()
            connection.execute(self._spoken(_PUT_PART), row_of(part))
            connection.execute(_SET, {"b_id": part.upload_id, "touched_at": self._now()})
        return None if replaced is None else PartRecord(*replaced)

    def begin_completion(self, upload_id: str, *, abandoned_before: datetime) -> UploadRecord:
        """See UploadStore."""
        now = self._now()
        with self._database.writing() as connection:
            upload = _found(connection, upload_id, lock=True)
            if upload.dataset_id is not None:
                return upload
            _refuse_if_held(upload, abandoned_before)
            values = {"completion": upload.completion + 1, "completing_at": now, "touched_at": now}
            connection.execute(_SET, {"b_id": upload_id, **values})
            return _found(connection, upload_id)

    def renew_completion(self, completion: Completion) -> bool:
        """See UploadStore."""
        with self._database.writing() as connection:
            return _write_held(connection, completion, completing_at=self._now())

    def end_completion(self, completion: Completion) -> None:
        """See UploadStore."""
        with self._database.writing() as connection:
            _write_held(connection, completion, completing_at=None)

    def delete_upload(self, upload_id: str, *, abandoned_before: datetime) -> None:
        """See UploadStore."""
        with self._database.writing() as connection:
            _refuse_if_held(_found(connection, upload_id, lock=True), abandoned_before)
            connection.execute(_DELETE, {"b_id": upload_id})

    def expire_uploads(self, *, touched_before: datetime, abandoned_before: datetime) -> list[str]:
        """See UploadStore."""
        with self._database.writing() as connection:
            old = {"b_touched": touched_before, "b_abandoned": abandoned_before}
            return sorted(connection.execute(_EXPIRE, old).scalars())

    def known_uploads(self, upload_ids: Collection[str]) -> set[str]:
        """See UploadStore."""
        with self._database.reading() as connection:
            return set(connection.execute(_KNOWN, {"b_ids": list(upload_ids)}).scalars())


def complete(connection: Connection, completion: Completion, dataset_id: str) -> None:
    """Note what has become of an upload, and forget its parts. Raises UploadNotFound for a token that is old."""
    if not _write_held(connection, completion, completing_at=None, dataset_id=dataset_id):
        raise UploadNotFound("The upload is gone, or somebody else has completed it.")
    connection.execute(_DROP_PARTS, {"b_id": completion.upload_id})


def _write_held(connection: Connection, completion: Completion, **values: Any) -> bool:
    """Write to an upload that is still held by this token; whether it was."""
    held = {"b_id": completion.upload_id, "b_completion": completion.number}
    return connection.execute(_HELD, {**held, **values}).rowcount == 1


def _found(connection: Connection, upload_id: str, *, lock: bool = False) -> UploadRecord:
    row = connection.execute(_LOCK if lock else _GET, {"b_id": upload_id}).one_or_none()
    if row is None:
        raise UploadNotFound
    return UploadRecord(*row)


def _refuse_if_held(upload: UploadRecord, abandoned_before: datetime) -> None:
    if upload.completing_at is not None and upload.completing_at >= abandoned_before:
        raise UploadBusy
