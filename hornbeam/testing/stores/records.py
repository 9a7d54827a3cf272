"""What attempts leave behind: events, log lines, epochs, checkpoints, artifacts, warnings."""

import math
from dataclasses import replace
from functools import partial

import pytest

from hornbeam.errors import CheckpointNotFound
from hornbeam.jobs.lifecycle import EVENT_OF
from hornbeam.storage.base import Store
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import (
    SUCCESS,
    Chapter,
    OpenStore,
    artifact,
    at_once,
    checkpoint,
    epoch,
    start,
    take,
)
from schemas.events import EventType
from schemas.jobs import EpochSummary

_STATUS_EVENTS = [kind for kind in EVENT_OF.values() if kind is not None] + [EventType.JOB_RETRYING]


class RecordLaws(Chapter):
    """Records of a job."""

    def test_events_are_numbered_without_gaps(self, open_store: OpenStore, clock: Clock) -> None:
        stores = [open_store() for _ in range(4)]
        attempt = start(stores[0], clock)
        at_once([partial(stores[n % 4].append_event, attempt, EventType.LOG, {"n": n}) for n in range(24)])
        events = stores[0].events(attempt.job_id)
        assert [event.seq for event in events] == list(range(1, 27))
        assert sorted(event.data["n"] for event in events[2:]) == list(range(24))

    def test_events_are_read_from_a_number_on(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        written = [store.append_event(attempt, EventType.LOG, {"n": n, "text": "é\u0000"}) for n in range(5)]
        assert [event.seq for event in written] == [3, 4, 5, 6, 7]
        assert store.events(attempt.job_id, after=4, limit=2) == written[2:4]
        assert store.events(attempt.job_id, after=7) == []

    @pytest.mark.parametrize("kind", _STATUS_EVENTS)
    def test_no_attempt_announces_a_status_by_itself(self, store: Store, clock: Clock, kind: EventType) -> None:
        attempt = start(store, clock)
        with pytest.raises(ValueError, match="change of status"):
            store.append_event(attempt, kind, {})

    def test_log_lines_are_numbered_and_read_from_either_end(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        store.append_logs(attempt, [("stdout", "one"), ("stderr", "two")], keep=10)
        moment = clock.advance(1)
        store.append_logs(attempt, [("service", "é\x00\ud800🐎"), ("stdout", "")], keep=10)
        lines = store.logs(attempt.job_id)
        assert [(line.seq, line.stream, line.text) for line in lines] == [
            (1, "stdout", "one"),
            (2, "stderr", "two"),
            (3, "service", "é\ufffd\ufffd🐎"),
            (4, "stdout", ""),
        ]
        assert (lines[2].at, lines[2].attempt) == (moment, attempt.number)
        assert store.logs(attempt.job_id, after=1, limit=2) == lines[1:3]
        assert store.log_tail(attempt.job_id, 2) == lines[2:]

    def test_a_full_log_says_so_once(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        store.append_logs(attempt, [], keep=3)
        store.append_logs(attempt, [("stdout", str(n)) for n in range(2)], keep=3)
        for _ in range(3):
            store.append_logs(attempt, [("stdout", "more"), ("stdout", "more")], keep=3)
        *kept, notice = store.logs(attempt.job_id)
        assert [line.text for line in kept] == ["0", "1", "more"]
        assert (notice.seq, notice.stream) == (4, "service")
        assert "3 lines" in notice.text

    def test_a_log_that_is_just_full_says_so_with_the_next_line(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        store.append_logs(attempt, [("stdout", "a"), ("stdout", "b")], keep=2)
        assert len(store.logs(attempt.job_id)) == 2
        store.append_logs(attempt, [("stdout", "c")], keep=2)
        assert [line.stream for line in store.logs(attempt.job_id)] == ["stdout", "stdout", "service"]

    def test_epochs_and_their_summary(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        epochs = [epoch(1), epoch(2, best=True), epoch(3)]
        for done in epochs:
            store.record_epoch(attempt, done)
        assert store.epochs(attempt.job_id) == epochs
        summary = store.get_job(attempt.job_id).summary
        assert summary.best == EpochSummary(epoch=2, metrics={"loss": 0.5})
        assert summary.last == EpochSummary(epoch=3, metrics=epochs[2].metrics)
        event = store.events(attempt.job_id)[-2]
        assert event.type is EventType.EPOCH_COMPLETED
        assert event.data == {"epoch": 2, "metrics": {"loss": 0.5}, "seconds": 1.5, "best": True}

    def test_metrics_may_be_no_numbers(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        store.record_epoch(attempt, epoch(1, loss=math.nan, val_loss=math.inf, best_loss=-math.inf))
        for metrics in (store.epochs(attempt.job_id)[0].metrics, store.events(attempt.job_id)[-1].data["metrics"]):
            assert math.isnan(metrics["loss"])
            assert (metrics["val_loss"], metrics["best_loss"]) == (math.inf, -math.inf)
        last = store.finish(attempt, SUCCESS).summary.last
        assert last is not None
        assert math.isnan(last.metrics["loss"])

    def test_an_epoch_recorded_again_replaces_what_a_lost_attempt_wrote_from_there_on(
        self, store: Store, clock: Clock
    ) -> None:
        attempt = start(store, clock)
        for number in (1, 2, 3):
            store.record_epoch(attempt, epoch(number, best=True))
        store.release(attempt, "drained")
        again = take(store)
        store.record_epoch(again, epoch(2, loss=9.0))
        assert [done.epoch for done in store.epochs(again.job_id)] == [1, 2]
        summary = store.get_job(again.job_id).summary
        assert summary.best == EpochSummary(epoch=1, metrics={"loss": 1.0})
        assert summary.last == EpochSummary(epoch=2, metrics={"loss": 9.0})

    def test_the_summary_has_what_the_finished_model_is_worth(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        store.record_epoch(attempt, epoch(1, best=True))
        store.record_test(attempt, {"loss": 0.25, "accuracy": 0.75})
        store.add_checkpoint(attempt, checkpoint(attempt, clock, 1, best=True))
        summary = store.finish(attempt, SUCCESS).summary
        assert summary.test == {"loss": 0.25, "accuracy": 0.75}
        assert summary.last is not None
        assert store.get_job(attempt.job_id).summary == summary
        assert store.events(attempt.job_id)[-1].data["test"] == summary.test

    def test_what_a_lost_attempt_had_measured_goes_with_its_epochs(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        store.record_epoch(attempt, epoch(1, best=True))
        store.record_test(attempt, {"loss": 0.25})
        store.release(attempt, "drained")
        store.record_epoch(take(store), epoch(1))
        assert store.get_job(attempt.job_id).summary.test is None

    @pytest.mark.parametrize("epoch_first", [True, False])
    def test_the_summary_names_the_checkpoint_of_an_epoch(
        self, store: Store, clock: Clock, *, epoch_first: bool
    ) -> None:
        attempt = start(store, clock)
        saved = checkpoint(attempt, clock, 1, best=True)
        writes = [
            partial(store.record_epoch, attempt, epoch(1, best=True)),
            partial(store.add_checkpoint, attempt, saved),
        ]
        for write in writes if epoch_first else reversed(writes):
            write()
        best = store.get_job(attempt.job_id).summary.best
        assert best == EpochSummary(epoch=1, checkpoint=saved.id, metrics={"loss": 1.0})
        store.drop_checkpoints(attempt, [saved.id])
        assert store.get_job(attempt.job_id).summary.best == EpochSummary(epoch=1, metrics={"loss": 1.0})

    def test_checkpoints_are_listed_oldest_first_and_dropped_by_id(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        saved = []
        for number in (1, 2, 3):
            clock.advance(1)
            saved.append(checkpoint(attempt, clock, number))
            store.add_checkpoint(attempt, saved[-1])
        assert store.checkpoints(attempt.job_id) == saved
        assert store.checkpoint(attempt.job_id, saved[1].id) == saved[1]
        store.drop_checkpoints(attempt, [saved[0].id, saved[2].id, "ckpt_unknown"])
        assert store.checkpoints(attempt.job_id) == [saved[1]]

    def test_a_checkpoint_is_found_without_its_job(self, store: Store, clock: Clock) -> None:
        attempts = start(store, clock), start(store, clock)
        saved = [checkpoint(attempt, clock) for attempt in attempts]
        for attempt, one in zip(attempts, saved, strict=True):
            store.add_checkpoint(attempt, one)
        assert [store.find_checkpoint(one.id) for one in saved] == saved
        store.drop_checkpoints(attempts[0], [saved[0].id])
        with pytest.raises(CheckpointNotFound):
            store.find_checkpoint(saved[0].id)

    def test_a_checkpoint_goes_with_its_job(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        saved = checkpoint(attempt, clock)
        store.add_checkpoint(attempt, saved)
        store.finish(attempt, SUCCESS)
        assert store.find_checkpoint(saved.id) == saved
        store.delete_job(attempt.job_id)
        with pytest.raises(CheckpointNotFound):
            store.find_checkpoint(saved.id)

    def test_checkpoints_of_another_job_are_not_dropped(self, store: Store, clock: Clock) -> None:
        mine, other = start(store, clock), start(store, clock)
        theirs = checkpoint(other, clock)
        store.add_checkpoint(other, theirs)
        store.drop_checkpoints(mine, [theirs.id])
        assert store.checkpoints(other.job_id) == [theirs]

    def test_one_checkpoint_is_the_best(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        for number, best in ((1, True), (2, True), (3, False)):
            store.add_checkpoint(attempt, checkpoint(attempt, clock, number, best=best))
        assert [saved.epoch for saved in store.checkpoints(attempt.job_id) if saved.is_best] == [2]

    def test_a_checkpoint_is_an_event(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        saved = checkpoint(attempt, clock, 4, best=True)
        store.add_checkpoint(attempt, saved)
        event = store.events(attempt.job_id)[-1]
        assert event.type is EventType.CHECKPOINT_CREATED
        assert (event.data["id"], event.data["epoch"], event.data["best"]) == (saved.id, 4, True)

    def test_an_artifact_of_the_same_name_is_replaced(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        model = artifact(attempt, clock)
        store.add_artifact(attempt, model)
        curves = artifact(attempt, clock, "curves.png")
        store.add_artifact(attempt, curves)
        newer = replace(model, size_bytes=7)
        store.add_artifact(attempt, newer)
        assert store.artifacts(attempt.job_id) == [curves, newer]
        assert store.artifact(attempt.job_id, "model.keras") == newer

    def test_a_warning_joins_the_findings(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        finding = {"severity": "warning", "pointer": "/training", "code": "x.y", "message": "m", "suggestion": None}
        store.add_warning(attempt, finding)
        assert [found.model_dump(mode="json") for found in store.get_job(attempt.job_id).findings] == [finding]
        event = store.events(attempt.job_id)[-1]
        assert (event.type, event.data) == (EventType.WARNING, finding)
