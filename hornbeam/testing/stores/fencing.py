"""Law 4: a late write of a lost attempt changes nothing, whichever method it comes through."""

import inspect
from collections.abc import Callable

import pytest

from hornbeam.errors import LeaseLost
from hornbeam.jobs.record import Attempt
from hornbeam.storage.base import AttemptStore, Store
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import PROGRESS, SUCCESS, Chapter, artifact, checkpoint, epoch, start, take
from schemas.events import EventType
from schemas.jobs import JobPhase

Write = Callable[[Store, Attempt, Clock], object]

_WRITES: dict[str, Write] = {
    "heartbeat": lambda store, attempt, clock: store.heartbeat(attempt, lease_seconds=60, progress=PROGRESS),
    "set_phase": lambda store, attempt, clock: store.set_phase(attempt, JobPhase.SAVING),
    "append_event": lambda store, attempt, clock: store.append_event(attempt, EventType.LOG, {"a": 1}),
    "append_logs": lambda store, attempt, clock: store.append_logs(attempt, [("stdout", "late")], keep=10),
    "record_test": lambda store, attempt, clock: store.record_test(attempt, {"loss": 0.25}),
    "record_epoch": lambda store, attempt, clock: store.record_epoch(attempt, epoch(7, best=True)),
    "add_checkpoint": lambda store, attempt, clock: store.add_checkpoint(
        attempt, checkpoint(attempt, clock, best=True)
    ),
    "drop_checkpoints": lambda store, attempt, clock: store.drop_checkpoints(
        attempt, [kept.id for kept in store.checkpoints(attempt.job_id)]
    ),
    "add_artifact": lambda store, attempt, clock: store.add_artifact(attempt, artifact(attempt, clock, size=1)),
    "add_warning": lambda store, attempt, clock: store.add_warning(
        attempt, {"pointer": "", "code": "late", "message": "late"}
    ),
    "finish": lambda store, attempt, clock: store.finish(attempt, SUCCESS),
    "release": lambda store, attempt, clock: store.release(attempt, "late"),
}

_LOSSES: dict[str, Callable[[Store, Attempt], object]] = {
    "given back": lambda store, attempt: store.release(attempt, "drained"),
    "over": lambda store, attempt: store.finish(attempt, SUCCESS),
    "another's": lambda store, attempt: (store.release(attempt, "drained"), take(store, attempt.worker_id)),
}


class FencingLaws(Chapter):
    """The fencing token."""

    def test_no_write_of_an_attempt_is_missing_here(self) -> None:
        guarded = {
            name
            for name, method in inspect.getmembers(AttemptStore, inspect.isfunction)
            if "attempt" in inspect.signature(method).parameters
        }
        assert guarded == set(_WRITES)

    @pytest.mark.parametrize("loss", _LOSSES)
    @pytest.mark.parametrize("write", _WRITES)
    def test_a_late_write_changes_nothing(self, store: Store, clock: Clock, write: str, loss: str) -> None:
        attempt = _with_results(store, clock)
        _LOSSES[loss](store, attempt)
        before = _everything(store, attempt.job_id)
        clock.advance(1)
        with pytest.raises(LeaseLost):
            _WRITES[write](store, attempt, clock)
        assert _everything(store, attempt.job_id) == before

    @pytest.mark.parametrize("write", _WRITES)
    def test_a_write_in_time_grows_the_version(self, store: Store, clock: Clock, write: str) -> None:
        attempt = _with_results(store, clock)
        before = store.get_version(attempt.job_id)
        _WRITES[write](store, attempt, clock)
        assert store.get_version(attempt.job_id) > before

    @pytest.mark.parametrize("write", _WRITES)
    def test_a_token_of_the_future_or_of_no_job_opens_nothing(self, store: Store, clock: Clock, write: str) -> None:
        attempt = _with_results(store, clock)
        before = _everything(store, attempt.job_id)
        with pytest.raises(LeaseLost):
            _WRITES[write](store, Attempt(attempt.job_id, attempt.number + 1, attempt.worker_id), clock)
        assert _everything(store, attempt.job_id) == before


def _with_results(store: Store, clock: Clock) -> Attempt:
    attempt = start(store, clock)
    store.record_epoch(attempt, epoch(1, best=True))
    store.add_checkpoint(attempt, checkpoint(attempt, clock, best=True))
    store.add_artifact(attempt, artifact(attempt, clock))
    store.append_logs(attempt, [("stdout", "line")], keep=10)
    return attempt


def _everything(store: Store, job_id: str) -> tuple[object, ...]:
    return (
        store.get_job(job_id),
        store.events(job_id),
        store.logs(job_id),
        store.epochs(job_id),
        store.checkpoints(job_id),
        store.artifacts(job_id),
    )
