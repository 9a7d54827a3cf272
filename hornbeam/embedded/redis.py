"""The embedded stack's Redis-compatible server as one of its parts."""

import os
import signal
from pathlib import Path

from hornbeam.queue.embedded import EmbeddedServer


class EmbeddedRedis:
    """`hornbeam.queue.embedded.EmbeddedServer`, as `child.Part` has it."""

    name = "redis"

    def __init__(self, directory: Path) -> None:
        self._server = EmbeddedServer(directory)

    @property
    def url(self) -> str:
        """Where it listens, as HORNBEAM_REDIS_URL wants it."""
        return self._server.url

    @property
    def log_path(self) -> Path:
        """See Part."""
        return self._server.log_path

    @property
    def pid(self) -> int | None:
        """See Part."""
        return self._server.pid

    def start(self) -> None:
        """See Part. Returns when it answers."""
        self._server.start()

    def poll(self) -> int | None:
        """See Part."""
        return self._server.poll()

    def ask_to_stop(self) -> None:
        """See Part. It ends at once when it is asked, so `wait` does the asking."""

    def wait(self, seconds: float) -> None:
        """See Part."""
        self._server.stop(timeout=seconds)

    def kill(self) -> None:
        """See Part. Its address stays, so that it can be started again."""
        if self._server.pid is not None and self._server.poll() is None:
            os.kill(self._server.pid, signal.SIGKILL)
