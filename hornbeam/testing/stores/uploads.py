"""Uploads in parts: what has arrived, who completes them, and how they end."""

from functools import partial

import pytest

from hornbeam.datasets.record import Completion, NewUpload, PartRecord, UploadRecord
from hornbeam.errors import DatasetNotFound, UploadBusy, UploadNotFound
from hornbeam.storage.base import Store
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import Chapter, OpenStore, at_once, new_dataset


def _there(_: str) -> bool:
    return True


class UploadLaws(Chapter):
    """Files that come in parts."""

    def test_what_was_begun_is_read_back(self, store: Store, clock: Clock) -> None:
        new = NewUpload("up_1", "a.csv", clock(), {"header": False}, {"k": "v"}, 2**40, "ab" * 32)
        record = store.create_upload(new)
        assert record == store.get_upload("up_1")
        assert (record.touched_at, record.completion, record.completing_at, record.dataset_id) == (
            clock(),
            0,
            None,
            None,
        )
        assert store.upload_parts("up_1") == []

    def test_parts_are_in_order_and_replaced(self, store: Store, clock: Clock) -> None:
        _begin(store, clock)
        moment = clock.advance(5)
        second, first = _part(2), _part(1)
        assert store.put_part(second) is None
        assert store.put_part(first) is None
        again = _part(2, key="datasets/uploads/up_1/2-again", size=9)
        assert store.put_part(again) == second
        assert store.upload_parts("up_1") == [first, again]
        assert store.get_upload("up_1").touched_at == moment

    def test_there_is_no_upload_by_another_id(self, store: Store, clock: Clock) -> None:
        _begin(store, clock)
        for call in (
            lambda: store.get_upload("up_\x00"),
            lambda: store.upload_parts("up_2"),
            lambda: store.put_part(_part(1, upload_id="up_2")),
            lambda: store.begin_completion("up_2", abandoned_before=clock()),
            lambda: store.delete_upload("up_2", abandoned_before=clock()),
        ):
            with pytest.raises(UploadNotFound):
                call()
        assert store.known_uploads(["up_1", "up_2"]) == {"up_1"}

    def test_who_completes_it_holds_it(self, store: Store, clock: Clock) -> None:
        held = _taken(store, clock)
        for call in (
            lambda: store.begin_completion("up_1", abandoned_before=clock()),
            lambda: store.delete_upload("up_1", abandoned_before=clock()),
            lambda: store.put_part(_part(1)),
        ):
            with pytest.raises(UploadBusy):
                call()
        store.end_completion(held)
        store.put_part(_part(1))
        assert store.begin_completion("up_1", abandoned_before=clock()).completion == held.number + 1

    def test_who_is_not_heard_of_loses_it(self, store: Store, clock: Clock) -> None:
        held = _taken(store, clock)
        clock.advance(10)
        assert store.renew_completion(held)
        moment = clock.advance(20)
        again = store.begin_completion("up_1", abandoned_before=moment)
        assert not store.renew_completion(held)
        store.end_completion(held)  # of another's it is not the end
        with pytest.raises(UploadNotFound):
            store.create_dataset(new_dataset(clock, id="ds_late"), is_stored=_there, completes=held)
        with pytest.raises(DatasetNotFound):
            store.get_dataset("ds_late")
        assert store.get_upload("up_1") == again

    def test_a_complete_upload_has_its_dataset_and_no_parts(self, store: Store, clock: Clock) -> None:
        _begin(store, clock)
        store.put_part(_part(1))
        held = Completion("up_1", store.begin_completion("up_1", abandoned_before=clock()).completion)
        dataset = new_dataset(clock)
        assert store.create_dataset(dataset, is_stored=lambda _: False, completes=held) is None
        assert store.create_dataset(dataset, is_stored=_there, completes=held) is not None
        assert store.upload_parts("up_1") == []
        assert store.begin_completion("up_1", abandoned_before=clock.advance(99)).dataset_id == dataset.id
        with pytest.raises(UploadBusy):
            store.put_part(_part(1))
        store.delete_dataset(dataset.id)
        with pytest.raises(UploadNotFound):
            store.get_upload("up_1")

    def test_of_many_who_complete_it_at_once_one_does(self, open_store: OpenStore, clock: Clock) -> None:
        stores = [open_store() for _ in range(4)]
        _begin(stores[0], clock)
        results = at_once([partial(store.begin_completion, "up_1", abandoned_before=clock()) for store in stores])
        assert sum(isinstance(result, UploadRecord) for result in results) == 1
        assert sum(isinstance(result, UploadBusy) for result in results) == 3

    def test_uploads_that_get_no_more_parts_are_forgotten(self, store: Store, clock: Clock) -> None:
        for number in range(1, 4):
            _begin(store, clock, f"up_{number}")
        store.begin_completion("up_3", abandoned_before=clock())
        moment = clock.advance(10)
        store.put_part(_part(1, upload_id="up_2"))
        assert store.expire_uploads(touched_before=moment, abandoned_before=clock.advance(-10)) == ["up_1"]
        assert store.known_uploads(["up_1", "up_2", "up_3"]) == {"up_2", "up_3"}
        assert store.expire_uploads(touched_before=moment, abandoned_before=moment) == ["up_3"]

    def test_a_deleted_upload_is_gone(self, store: Store, clock: Clock) -> None:
        _begin(store, clock)
        store.put_part(_part(1))
        store.delete_upload("up_1", abandoned_before=clock())
        with pytest.raises(UploadNotFound):
            store.upload_parts("up_1")


def _begin(store: Store, clock: Clock, upload_id: str = "up_1") -> UploadRecord:
    return store.create_upload(NewUpload(upload_id, "a.csv", clock()))


def _taken(store: Store, clock: Clock) -> Completion:
    """An upload that somebody completes."""
    _begin(store, clock)
    return Completion("up_1", store.begin_completion("up_1", abandoned_before=clock()).completion)


def _part(number: int, *, upload_id: str = "up_1", key: str = "", size: int = 2**33) -> PartRecord:
    return PartRecord(upload_id, number, size, "ab" * 32, key or f"datasets/uploads/{upload_id}/{number}")
