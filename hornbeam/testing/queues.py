"""What everything fleeting must do, as suites of tests: the queue of wake-ups, and the live channel. Needs pytest.

class TestMyLive(LiveSuite):
    @pytest.fixture
    def live(self):
        ...  # a Live

    @pytest.fixture
    def open_watch(self):
        ...  # opens a Watch that hears what `live` says; called within a running event loop
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import pytest

from hornbeam.errors import QueueUnavailable
from hornbeam.queue.base import JobQueue, Live, Watch
from schemas.jobs import Progress

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
BUDGET_SECONDS = 5.0
"""What a single call may take with a broker that is down, or hangs."""

OpenWatch = Callable[[], AbstractAsyncContextManager[Watch]]
Signals = AsyncIterator[Progress | None]


def progress_at(percent: float) -> Progress:
    """A progress that can be told from others."""
    return Progress(percent=percent, epoch=1, epochs=2, step=3, steps_per_epoch=4, metrics={"loss": 0.5})


async def until(signals: Signals, wanted: Callable[[Progress | None], bool]) -> Progress | None:
    """The first signal that is wanted. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for signal in signals:
            if wanted(signal):
                return signal
    raise AssertionError("the signals ended")


class QueueSuite:
    """The laws of `JobQueue`. A subclass has the fixture `queue`, and can look into it and break it."""

    @abstractmethod
    def waiting(self) -> int:
        """How many messages wait for a worker."""

    @abstractmethod
    def break_down(self) -> None:
        """Make the broker go away."""

    @abstractmethod
    def hang(self) -> None:
        """Make the broker stop answering, its connections open."""

    @abstractmethod
    def recover(self) -> None:
        """Make it come back."""

    def test_a_message_waits_for_a_worker(self, queue: JobQueue) -> None:
        """Each send is one message."""
        queue.send("job_1")
        queue.send("job_2")
        assert self.waiting() == 2

    def test_a_broker_that_is_down_is_said_to_be_at_once(self, queue: JobQueue) -> None:
        """QueueUnavailable, within the budget, again and again."""
        self.break_down()
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(QueueUnavailable):
                queue.send("job_1")
        assert time.monotonic() - began < BUDGET_SECONDS

    def test_a_broker_that_hangs_costs_no_more_than_the_budget(self, queue: JobQueue) -> None:
        """QueueUnavailable, after a timeout."""
        queue.send("job_1")
        self.hang()
        began = time.monotonic()
        with pytest.raises(QueueUnavailable):
            queue.send("job_2")
        assert time.monotonic() - began < BUDGET_SECONDS

    def test_sending_works_again_when_the_broker_is_back(self, queue: JobQueue) -> None:
        """No restart is needed."""
        queue.send("job_1")
        self.break_down()
        with pytest.raises(QueueUnavailable):
            queue.send("job_2")
        self.recover()
        _retry(lambda: queue.send("job_3"))


def _retry(call: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            call()
            return
        except QueueUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class LiveSuite:
    """The laws of `Live` and `Watch`. A subclass has the fixtures `live` and `open_watch`, and can break the broker."""

    @abstractmethod
    def break_down(self) -> None:
        """Make the broker go away."""

    @abstractmethod
    def recover(self) -> None:
        """Make it come back."""

    @staticmethod
    def run(main: Coroutine[Any, Any, T]) -> T:
        """Run a test's coroutine."""
        return asyncio.run(main)

    def test_a_nudge_is_seen_once(self, live: Live) -> None:
        """And for one job only."""
        assert not live.nudged("job_1")
        live.nudge("job_1")
        assert not live.nudged("job_2")
        assert live.nudged("job_1")
        assert not live.nudged("job_1")

    def test_the_freshest_progress_is_there_for_polls(self, live: Live, open_watch: OpenWatch) -> None:
        """None where there has been none."""

        async def main() -> None:
            async with open_watch() as watch:
                assert await watch.progress("job_1") is None
                await asyncio.to_thread(live.publish_progress, "job_1", progress_at(1))
                await asyncio.to_thread(live.publish_progress, "job_1", progress_at(2))
                assert await watch.progress("job_1") == progress_at(2)
                assert await watch.progress("job_2") is None

        self.run(main())

    def test_a_watcher_looks_at_once(self, open_watch: OpenWatch) -> None:
        """The first signal is a None."""

        async def main() -> None:
            async with open_watch() as watch, watch.watching("job_1") as signals:
                assert await anext(signals) is None

        self.run(main())

    def test_news_reach_every_watcher_of_the_job_and_no_other(self, live: Live, open_watch: OpenWatch) -> None:
        """Progress and calls to look."""

        async def main() -> None:
            async with (
                open_watch() as watch,
                watch.watching("job_1") as first,
                watch.watching("job_1") as second,
                watch.watching("job_2") as other,
            ):
                await _settled(first, second, other)
                await asyncio.to_thread(live.publish_progress, "job_1", progress_at(7))
                for signals in (first, second):
                    assert await until(signals, lambda signal: signal is not None) == progress_at(7)
                await asyncio.to_thread(live.announce, "job_1")
                for signals in (first, second):
                    assert await until(signals, lambda _: True) is None
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(other), 0.3)

        self.run(main())

    def test_a_slow_watcher_gets_the_newest_progress_only(self, live: Live, open_watch: OpenWatch) -> None:
        """What it missed in between is of no use."""

        async def main() -> None:
            async with open_watch() as watch, watch.watching("job_1") as slow, watch.watching("job_1") as quick:
                await _settled(slow, quick)
                for percent in range(1, 21):
                    await asyncio.to_thread(live.publish_progress, "job_1", progress_at(percent))
                await until(quick, lambda signal: signal == progress_at(20))
                assert await anext(slow) == progress_at(20)

        self.run(main())

    def test_a_job_can_be_watched_again(self, live: Live, open_watch: OpenWatch) -> None:
        """After the last watcher has left."""

        async def main() -> None:
            async with open_watch() as watch:
                for percent in (1, 2):
                    async with watch.watching("job_1") as signals:
                        await _settled(signals)
                        await asyncio.to_thread(live.publish_progress, "job_1", progress_at(percent))
                        await until(signals, lambda signal, at=percent: signal == progress_at(at))  # type: ignore[misc]

        self.run(main())

    def test_nothing_raises_or_blocks_without_a_broker(self, live: Live, open_watch: OpenWatch) -> None:
        """It is live or it is not."""
        live.announce("job_1")
        self.break_down()
        began = time.monotonic()
        for _ in range(50):
            live.publish_progress("job_1", progress_at(1))
            live.announce("job_1")
            live.nudge("job_1")
            assert not live.nudged("job_1")

        async def main() -> None:
            async with open_watch() as watch:
                assert await watch.progress("job_1") is None

        self.run(main())
        assert time.monotonic() - began < BUDGET_SECONDS

    def test_a_watcher_looks_each_second_while_the_broker_is_down(self, open_watch: OpenWatch) -> None:
        """It loses speed and nothing else."""

        async def main() -> None:
            async with open_watch() as watch, watch.watching("job_1") as signals:
                await _settled(signals)
                self.break_down()
                for _ in range(3):
                    assert await asyncio.wait_for(anext(signals), 2.5) is None

        self.run(main())

    def test_a_watcher_hears_again_when_the_broker_is_back(self, live: Live, open_watch: OpenWatch) -> None:
        """Without being opened again."""

        async def main() -> None:
            async with open_watch() as watch, watch.watching("job_1") as signals:
                await _settled(signals)
                self.break_down()
                await until(signals, lambda signal: signal is None)
                self.recover()
                async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
                    heard = group.create_task(until(signals, lambda signal: signal is not None))
                    while not heard.done():
                        await asyncio.to_thread(live.publish_progress, "job_1", progress_at(9))
                        await asyncio.sleep(0.1)
                assert heard.result() == progress_at(9)

        self.run(main())


async def _settled(*watchers: Signals) -> None:
    """Wait until watchers have been told to look, and hear nothing more: they are subscribed."""
    for signals in watchers:
        while True:
            try:
                await asyncio.wait_for(anext(signals), 0.2)
            except TimeoutError:
                break
