"""Datasets: on record only with their files, held by jobs that are not over, and listed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from hornbeam.datasets.record import DatasetChanges, DatasetRecord
from hornbeam.errors import DatasetInUse, DatasetNotFound, InvalidCursor, JobNotFound
from hornbeam.jobs.record import JobRecord
from hornbeam.storage.base import JobQuery, Store
from hornbeam.storage.datasets import DatasetQuery
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import (
    FAILURE,
    SUCCESS,
    Chapter,
    OpenStore,
    add_dataset,
    at_once,
    new_dataset,
    new_job,
    reading,
    take,
)

_ODD_IDS = ["ds_unknown", "", "ds_\x00", "ds_\ud800", "ds_' OR 1=1 --", "é" * 300]


def _there(_: str) -> bool:
    return True


class DatasetLaws(Chapter):
    """Datasets on record."""

    def test_what_was_recorded_is_read_back(self, store: Store, clock: Clock) -> None:
        new = new_dataset(clock, name="blüten.csv", metadata={"team": "\x00🐎"}, media_type="text/csv")
        record = store.create_dataset(new, is_stored=_there)
        assert record is not None
        assert (record.version, record.columns, record.asked) == (1, new.reading.columns, {"header": True})
        stored = store.get_dataset(new.id)
        assert replace(stored, metadata=record.metadata) == record
        assert store.preview(new.id) == [[1, None], [2.5, "a"]]
        assert (record.file_key, record.table_key) == (
            f"datasets/files/{new.sha256}",
            f"datasets/tables/{new.reading.table_sha256}.arrow",
        )

    @pytest.mark.parametrize("dataset_id", _ODD_IDS, ids=lambda dataset_id: ascii(dataset_id[:20]))
    def test_there_is_no_dataset_by_another_id(self, store: Store, clock: Clock, dataset_id: str) -> None:
        add_dataset(store, clock)
        for call in (
            store.get_dataset,
            store.preview,
            store.delete_dataset,
            partial(store.change_dataset, changes=DatasetChanges(name="x"), is_stored=_there),
        ):
            with pytest.raises(DatasetNotFound):
                call(dataset_id)

    def test_nothing_is_recorded_without_its_files(self, store: Store, clock: Clock) -> None:
        new = new_dataset(clock)
        for missing in (f"datasets/files/{new.sha256}", f"datasets/tables/{new.reading.table_sha256}.arrow"):
            assert store.create_dataset(new, is_stored=lambda key, missing=missing: key != missing) is None  # type: ignore[misc]
            with pytest.raises(DatasetNotFound):
                store.get_dataset(new.id)

    def test_the_same_file_under_another_name_is_another_dataset(self, store: Store, clock: Clock) -> None:
        first, second = add_dataset(store, clock, name="a"), add_dataset(store, clock, name="b")
        assert first.file_key == second.file_key
        assert {row.id for row in store.list_datasets(DatasetQuery()).rows} == {first.id, second.id}

    def test_what_is_to_be_there_once_is(self, store: Store, clock: Clock) -> None:
        first = add_dataset(store, clock)
        clock.advance(1)
        assert store.create_dataset(new_dataset(clock), is_stored=_there, once=True) == first
        assert store.find_dataset("iris.csv", first.sha256, {"header": True}) == first
        assert store.find_dataset("iris.csv", first.sha256, {"header": False}) is None
        for other in (
            new_dataset(clock, name="other.csv"),
            new_dataset(clock, sha256="ef" * 32),
            new_dataset(clock, reading=reading(asked={})),
        ):
            created = store.create_dataset(other, is_stored=_there, once=True)
            assert created is not None
            assert created.id == other.id

    def test_of_many_that_are_to_be_there_once_one_is(self, open_store: OpenStore, clock: Clock) -> None:
        stores = [open_store() for _ in range(4)]
        create = [partial(s.create_dataset, new_dataset(clock), is_stored=_there, once=True) for s in stores]
        created = at_once(create)
        assert len({record.id for record in created if isinstance(record, DatasetRecord)}) == 1
        assert len(stores[0].list_datasets(DatasetQuery()).rows) == 1

    def test_a_name_and_metadata_change(self, store: Store, clock: Clock) -> None:
        before = add_dataset(store, clock, metadata={"team": "vision"})
        store.create_job(new_job(clock, datasets=(before.id,)))
        after = store.change_dataset(before.id, DatasetChanges(name="b", metadata={"k": "v"}), is_stored=_there)
        assert after == replace(before, name="b", metadata={"k": "v"}, version=2) == store.get_dataset(before.id)
        assert store.list_datasets(DatasetQuery(metadata={"team": "vision"})).rows == ()
        assert store.list_datasets(DatasetQuery(metadata={"k": "v"})).rows == (after,)
        assert store.find_dataset("b", before.sha256, before.asked) == after

    def test_another_reading_is_another_table(self, store: Store, clock: Clock) -> None:
        before = add_dataset(store, clock)
        other = reading(rows=7, asked={}, table_sha256="12" * 32, preview=([1],))
        changes = DatasetChanges(reading=other)
        assert store.change_dataset(before.id, changes, is_stored=lambda _: False) is None
        assert store.get_dataset(before.id) == before
        after = store.change_dataset(before.id, changes, is_stored=_there)
        assert after == replace(before, rows=7, asked={}, table_sha256="12" * 32, version=2)
        assert store.preview(before.id) == [[1]]
        assert store.unnamed_files([before.table_key]) == [before.table_key]

    def test_a_deleted_dataset_is_gone(self, store: Store, clock: Clock) -> None:
        record = add_dataset(store, clock, metadata={"k": "v"})
        assert store.delete_dataset(record.id) == record
        with pytest.raises(DatasetNotFound):
            store.get_dataset(record.id)
        assert store.list_datasets(DatasetQuery(metadata={"k": "v"})).rows == ()

    def test_a_file_goes_when_the_last_dataset_has_gone(self, store: Store, clock: Clock) -> None:
        first, second = add_dataset(store, clock), add_dataset(store, clock)
        dropped: list[str] = []
        keys = [first.file_key, first.table_key]
        for record, expected in ((first, []), (second, keys)):
            store.delete_dataset(record.id)
            assert store.unnamed_files(keys) == expected
            for key in keys:
                assert store.drop_file(key, dropped.append) is bool(expected)
            assert dropped == expected

    def test_of_the_last_to_go_and_the_next_to_come_one_sees_the_other(
        self, open_store: OpenStore, clock: Clock
    ) -> None:
        """Whatever the order, what is on record at the end has its files."""
        ours, theirs = open_store(), open_store()
        for _ in range(20):
            old = add_dataset(ours, clock)
            ours.delete_dataset(old.id)
            files = {old.file_key, old.table_key}
            calls: list[Callable[[], object]] = [
                partial(ours.create_dataset, new_dataset(clock), is_stored=files.__contains__),
                partial(theirs.drop_file, old.file_key, files.remove),
            ]
            created, dropped = at_once(calls)
            assert isinstance(created, DatasetRecord) is not dropped, (created, dropped)
            assert (old.file_key in files) is not dropped
            if isinstance(created, DatasetRecord):
                ours.delete_dataset(created.id)

    def test_a_job_that_is_not_over_holds_its_datasets(self, store: Store, clock: Clock) -> None:
        records = [add_dataset(store, clock), add_dataset(store, clock, sha256="ef" * 32)]
        job = store.create_job(new_job(clock, datasets=tuple(record.id for record in records)))
        other = DatasetChanges(reading=reading(table_sha256="12" * 32))
        attempt = None
        for step in ("queued", "running", "pausing", "paused"):
            if step == "running":
                attempt = take(store)
            elif step == "pausing":
                store.request_pause(job.id, "asked")
            elif step == "paused" and attempt is not None:
                store.release(attempt, "drained")
            for record in records:
                with pytest.raises(DatasetInUse, match=job.id):
                    store.delete_dataset(record.id)
                with pytest.raises(DatasetInUse):
                    store.change_dataset(record.id, other, is_stored=_there)
        store.request_cancel(job.id, "asked")
        for record in records:
            assert store.change_dataset(record.id, other, is_stored=_there) is not None
            store.delete_dataset(record.id)
        assert store.get_job(job.id).id == job.id

    def test_the_same_table_again_changes_nothing_for_a_job(self, store: Store, clock: Clock) -> None:
        record = add_dataset(store, clock)
        store.create_job(new_job(clock, datasets=(record.id,)))
        assert store.change_dataset(record.id, DatasetChanges(reading=reading(asked={})), is_stored=_there) is not None

    @pytest.mark.parametrize("outcome", [SUCCESS, FAILURE], ids=lambda outcome: outcome.status.value)
    def test_a_job_that_is_over_holds_nothing(self, store: Store, clock: Clock, outcome: object) -> None:
        record = add_dataset(store, clock)
        store.create_job(new_job(clock, datasets=(record.id, record.id)))
        store.finish(take(store), outcome)  # type: ignore[arg-type]
        store.delete_dataset(record.id)

    def test_a_deleted_job_leaves_its_datasets(self, store: Store, clock: Clock) -> None:
        record = add_dataset(store, clock)
        job = store.create_job(new_job(clock, datasets=(record.id,)))
        store.request_cancel(job.id, "asked")
        store.delete_job(job.id)
        assert store.get_dataset(record.id) == record

    def test_no_job_is_created_on_a_dataset_that_is_gone(self, store: Store, clock: Clock) -> None:
        record = add_dataset(store, clock)
        with pytest.raises(DatasetNotFound, match="ds_gone"):
            store.create_job(new_job(clock, datasets=(record.id, "ds_gone")))
        alone = new_job(clock)
        with pytest.raises(DatasetNotFound):
            store.create_jobs([alone, new_job(clock, datasets=("ds_gone",))])
        with pytest.raises(JobNotFound):
            store.get_job(alone.id)
        assert store.list_jobs(JobQuery()).rows == ()
        store.delete_dataset(record.id)

    def test_of_a_new_job_and_a_deletion_that_race_one_is_refused(self, open_store: OpenStore, clock: Clock) -> None:
        ours, theirs = open_store(), open_store()
        for _ in range(20):
            record = add_dataset(ours, clock)
            calls: list[Callable[[], object]] = [
                partial(ours.create_job, new_job(clock, datasets=(record.id,))),
                partial(theirs.delete_dataset, record.id),
            ]
            job, deleted = at_once(calls)
            if isinstance(job, JobRecord):
                assert isinstance(deleted, DatasetInUse), deleted
                assert ours.get_dataset(record.id) == record
            else:
                assert (type(job), deleted) == (DatasetNotFound, record)


class DatasetListLaws(Chapter):
    """`list_datasets`."""

    @pytest.mark.parametrize("newest_first", [True, False])
    @pytest.mark.parametrize("limit", [1, 2, 5, 6])
    def test_pages_of_datasets_hold_every_one_once_and_in_order(
        self, store: Store, clock: Clock, limit: int, *, newest_first: bool
    ) -> None:
        ids = []
        for number in range(5):
            clock.advance(number % 2)
            ids.append(add_dataset(store, clock).id)
        query = DatasetQuery(limit=limit, newest_first=newest_first)
        found: list[str] = []
        while True:
            page = store.list_datasets(query)
            assert len(page.rows) <= limit
            found += [row.id for row in page.rows]
            if page.next is None:
                break
            query = replace(query, after=page.next)
        assert found == (ids[::-1] if newest_first else ids)

    def test_datasets_are_found_by_all_their_metadata(self, store: Store, clock: Clock) -> None:
        both = add_dataset(store, clock, metadata={"team": "vision", "run": "1"}).id
        clock.advance(1)
        one = add_dataset(store, clock, metadata={"team": "vision"}).id
        for metadata, expected in (
            ({"team": "vision"}, [one, both]),
            ({"team": "vision", "run": "1"}, [both]),
            ({"vision": "team"}, []),
        ):
            rows = store.list_datasets(DatasetQuery(metadata=metadata)).rows
            assert [row.id for row in rows] == expected
        rows = store.list_datasets(DatasetQuery(created_after=clock() - timedelta(seconds=1))).rows
        assert [row.id for row in rows] == [one]

    def test_a_cursor_belongs_to_its_list(self, store: Store, clock: Clock) -> None:
        for _ in range(2):
            add_dataset(store, clock)
            store.create_job(new_job(clock))
        cursor = store.list_datasets(DatasetQuery(limit=1)).next
        others = store.list_jobs(JobQuery(limit=1)).next
        for query in (DatasetQuery(after=others), DatasetQuery(after=cursor, newest_first=False)):
            with pytest.raises(InvalidCursor):
                store.list_datasets(query)
        with pytest.raises(InvalidCursor):
            store.list_jobs(JobQuery(after=cursor))
