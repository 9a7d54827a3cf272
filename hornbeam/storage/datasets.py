"""What a store must do about datasets and uploads, in prose first. `hornbeam.testing.stores` holds the suite.

The laws of `hornbeam.storage.base` hold here, and these:

1. A dataset names two files of the artifact store, by the digests of their bytes; several datasets may name one file.
2. A dataset is recorded only while both its files are there, and a file is deleted only while no dataset names it.
   For each file both happen under one lock, which the database holds until the transaction ends. The caller looks,
   and deletes, inside of it: `is_stored` and `delete` are called by the store, once per file, under that lock.
3. So a file is put into the artifact store *before* its dataset is recorded, and may be gone again when it is to be:
   then nothing is recorded, and the caller puts it there once more.
4. What a job that is not over uses neither goes away nor gets another table: DatasetInUse. Of a job that is created and
   a dataset that is deleted at the same moment, one is refused. Jobs that are over hold nothing.
5. Who completes an upload holds it by a number that grows each time; with an old number nothing is recorded.

Leaves putting and deleting files to the service.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hornbeam.datasets.record import (
    Completion,
    DatasetChanges,
    DatasetRecord,
    NewDataset,
    NewUpload,
    PartRecord,
    UploadRecord,
)
from hornbeam.storage.pages import Page

IsStored = Callable[[str], bool]
"""Whether the artifact store has a file under this key."""


@dataclass(frozen=True, slots=True)
class DatasetQuery:
    """Which datasets to list, and from where. `after` is a cursor that `Page.next` handed out."""

    limit: int = 20
    after: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    newest_first: bool = True


class DatasetStore(ABC):
    """Datasets on record: whole and checked, each of them."""

    @abstractmethod
    def create_dataset(
        self,
        dataset: NewDataset,
        *,
        is_stored: IsStored,
        once: bool = False,
        completes: Completion | None = None,
    ) -> DatasetRecord | None:
        """Record a dataset, or None, and nothing recorded, when one of its files is not there.

        Args:
            dataset: The dataset.
            is_stored: See law 2.
            once: Where a dataset of the same name, bytes and options is there already, it is the answer.
            completes: The upload that this dataset is made of: it is over, and its parts are forgotten.

        Raises:
            UploadNotFound: Somebody else has completed the upload, or it is gone.
        """

    @abstractmethod
    def get_dataset(self, dataset_id: str) -> DatasetRecord:
        """The dataset. Raises DatasetNotFound."""

    @abstractmethod
    def find_dataset(self, name: str, sha256: str, asked: Mapping[str, Any]) -> DatasetRecord | None:
        """The oldest dataset of this name, these bytes and options."""

    @abstractmethod
    def preview(self, dataset_id: str) -> list[list[Any]]:
        """The first rows. Raises DatasetNotFound."""

    @abstractmethod
    def list_datasets(self, query: DatasetQuery) -> Page[DatasetRecord]:
        """Datasets by creation time. Raises InvalidCursor."""

    @abstractmethod
    def change_dataset(self, dataset_id: str, changes: DatasetChanges, *, is_stored: IsStored) -> DatasetRecord | None:
        """Change it, or None, and nothing changed, when the new table is not there.

        Raises DatasetNotFound, or DatasetInUse where the table would be another.
        """

    @abstractmethod
    def delete_dataset(self, dataset_id: str) -> DatasetRecord:
        """Forget a dataset; what it was is returned. Raises DatasetNotFound, DatasetInUse."""

    @abstractmethod
    def drop_file(self, key: str, delete: Callable[[str], None]) -> bool:
        """Call `delete(key)` if no dataset names this file; whether that was so."""

    @abstractmethod
    def unnamed_files(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys that no dataset names at this moment: candidates for `drop_file`."""


class UploadStore(ABC):
    """Files that come in parts."""

    @abstractmethod
    def create_upload(self, upload: NewUpload) -> UploadRecord:
        """Record an upload without parts."""

    @abstractmethod
    def get_upload(self, upload_id: str) -> UploadRecord:
        """The upload. Raises UploadNotFound."""

    @abstractmethod
    def upload_parts(self, upload_id: str) -> list[PartRecord]:
        """The parts that have arrived, by number. Raises UploadNotFound."""

    @abstractmethod
    def put_part(self, part: PartRecord) -> PartRecord | None:
        """Record a part; the one of the same number that it replaces, if there was one.

        Raises UploadNotFound, or UploadBusy for an upload that is being completed, or is complete.
        """

    @abstractmethod
    def begin_completion(self, upload_id: str, *, abandoned_before: datetime) -> UploadRecord:
        """Take the upload for completion: `completion` is the token. One that has a dataset is returned as it is.

        Raises UploadNotFound, or UploadBusy while somebody completes it who was heard of since `abandoned_before`.
        """

    @abstractmethod
    def renew_completion(self, completion: Completion) -> bool:
        """Say that the upload is still being completed; whether it is still held."""

    @abstractmethod
    def end_completion(self, completion: Completion) -> None:
        """Let go of an upload from which nothing has come: parts may be sent again."""

    @abstractmethod
    def delete_upload(self, upload_id: str, *, abandoned_before: datetime) -> None:
        """Forget an upload with its parts. Raises UploadNotFound; UploadBusy as `begin_completion` does."""

    @abstractmethod
    def expire_uploads(self, *, touched_before: datetime, abandoned_before: datetime) -> list[str]:
        """Forget the uploads that got no part since then, and that nobody completes; their ids."""

    @abstractmethod
    def known_uploads(self, upload_ids: Collection[str]) -> set[str]:
        """Those of the ids that are on record."""
