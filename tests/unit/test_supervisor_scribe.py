"""Writes in order, through outages, and not a single one after the lease is lost."""

import threading

import pytest

from hornbeam.errors import LeaseLost, StoreUnavailable
from workers.scribe import Scribe


@pytest.fixture
def announced():
    return []


@pytest.fixture
def scribe(announced):
    scribe = Scribe(after_write=lambda: announced.append(True))
    yield scribe
    scribe.close()


def failing(error, times, then):
    """A write that fails a few times before it works."""
    left = [error] * times

    def write():
        if left:
            raise left.pop()
        then()

    return write


def test_writes_come_in_order_and_are_announced(scribe, announced):
    written = []
    for number in range(100):
        scribe.write(lambda number=number: written.append(number))
    assert scribe.settle(5)
    assert written == list(range(100))
    assert len(announced) == 100


def test_an_outage_is_waited_out_and_the_order_stays(scribe):
    written = []
    scribe.write(failing(StoreUnavailable(), 2, lambda: written.append("first")))
    scribe.write(lambda: written.append("second"))
    assert not scribe.settle(0.2)
    assert scribe.stuck_seconds > 0
    assert scribe.settle(5)
    assert written == ["first", "second"]
    assert scribe.stuck_seconds == 0


def test_after_a_lost_lease_nothing_is_written(scribe):
    written = []
    scribe.write(failing(LeaseLost(), 1, lambda: written.append("first")))
    scribe.write(lambda: written.append("second"))
    assert scribe.settle(5)
    scribe.write(lambda: written.append("third"))
    assert scribe.settle(5)
    assert (scribe.is_lost, written) == (True, [])


def test_an_error_of_our_own_is_kept_and_ends_it(scribe, caplog):
    scribe.write(failing(ValueError("a bug"), 1, lambda: None))
    assert scribe.settle(5)
    assert isinstance(scribe.failure, ValueError)
    assert "A write failed for good." in caplog.text


def test_closing_does_not_wait_for_an_outage(scribe):
    scribe.write(failing(StoreUnavailable(), 1000, lambda: None))
    closer = threading.Thread(target=scribe.close)
    closer.start()
    closer.join(5)
    assert not closer.is_alive()
    assert scribe.settle(5)
