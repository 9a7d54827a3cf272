"""A real Valkey for each test: they kill it, hang it and start it again."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hornbeam.queue.embedded import EmbeddedServer

pytest.register_assert_rewrite("hornbeam.testing.queues")


@pytest.fixture
def redis_server() -> Iterator[EmbeddedServer]:
    """A server, up and empty."""
    with tempfile.TemporaryDirectory(prefix="hb-") as directory:
        server = EmbeddedServer(Path(directory))
        server.start()
        yield server
        if server.poll() is None and server.pid is not None:
            os.kill(server.pid, signal.SIGCONT)  # a test may have left it hanging
        server.stop()
