"""The facts about datasets on record, for those who check specs and those who train by them."""

from hornbeam.datasets.facts import DatasetFacts, stored_facts
from hornbeam.datasets.record import DatasetRecord
from hornbeam.errors import DatasetNotFound
from hornbeam.storage.datasets import DatasetStore


class RecordedFacts:
    """Looks datasets up in a store; see `hornbeam.specs.data.Datasets`."""

    def __init__(self, store: DatasetStore) -> None:
        self._store = store

    def find(self, dataset_id: str) -> DatasetFacts | None:
        """The facts about a dataset, or None where there is none. Raises StoreUnavailable."""
        try:
            return facts_of_record(self._store.get_dataset(dataset_id))
        except DatasetNotFound:
            return None


def facts_of_record(record: DatasetRecord) -> DatasetFacts:
    """The facts about a dataset as the database knows it."""
    return stored_facts(record.name, record.rows, record.columns, sha256=record.table_sha256)
