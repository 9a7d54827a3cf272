"""The live channel on a real Valkey."""

import os
import signal
from contextlib import asynccontextmanager

import pytest

from hornbeam.queue.embedded import EmbeddedServer
from hornbeam.queue.live import RedisLive, RedisWatch
from hornbeam.settings import Settings
from hornbeam.testing.queues import LiveSuite


class RedisSuite(LiveSuite):
    @pytest.fixture
    def settings(self, redis_server, tmp_path):
        self.server: EmbeddedServer = redis_server
        return Settings(data_dir=tmp_path, redis_url=redis_server.url)

    @pytest.fixture
    def live(self, settings):
        live = RedisLive(settings)
        yield live
        live.close()

    @pytest.fixture
    def open_watch(self, settings):
        @asynccontextmanager
        async def open_one():
            watch = RedisWatch(settings)
            try:
                yield watch
            finally:
                await watch.aclose()

        return open_one


class TestServerThatIsGone(RedisSuite):
    def break_down(self) -> None:
        self.server.stop()

    def recover(self) -> None:
        self.server.start()


class TestServerThatHangs(RedisSuite):
    """The connection stays open, and nothing comes."""

    def break_down(self) -> None:
        os.kill(self.server.pid, signal.SIGSTOP)

    def recover(self) -> None:
        os.kill(self.server.pid, signal.SIGCONT)
