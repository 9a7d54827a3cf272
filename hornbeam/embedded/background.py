"""A stack that runs while the caller does something else with it; what `hornbeam demo` needs."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from hornbeam.embedded.child import Part
from hornbeam.embedded.stack import Address, Stack
from hornbeam.errors import InstallationError
from hornbeam.settings import Settings

Restarted = Callable[[Part], None]


class BackgroundStack:
    """A stack in a thread of its own, from `with` to the end of it. Listens on a free port.

    Entering returns as soon as requests are taken in; `wait_until_ready` when jobs can be trained.
    """

    def __init__(self, settings: Settings, on_restart: Restarted) -> None:
        self.stack = Stack(settings, Address(port=0), _Recorder(self))
        self.url = ""
        self._on_restart = on_restart
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._is_ready = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="hornbeam-stack")

    def wait_until_ready(self, timeout: float) -> None:
        """Return when a worker is there. Raises InstallationError."""
        self._wait(lambda: self._is_ready, timeout, "no worker is ready")

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._wait(lambda: bool(self.url), 30.0, "the service does not listen")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def told(self, *, url: str | None = None, ready: bool = False, restarted: Part | None = None) -> None:
        """Take in news of the stack, from its thread."""
        if restarted is not None:
            self._on_restart(restarted)
        with self._news:
            self.url = url or self.url
            self._is_ready = self._is_ready or ready
            self._news.notify_all()

    def _end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self.stack.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            with self._news:
                self._error = error
                self._news.notify_all()

    def _wait(self, condition: Callable[[], bool], timeout: float, otherwise: str) -> None:
        with self._news:
            self._news.wait_for(lambda: self._error is not None or condition(), timeout)
            if self._error is not None:
                raise self._error
            if not condition():
                raise InstallationError(
                    f"After {timeout:g} s {otherwise}.", suggestion=f"Read the logs in {self.stack.logs_dir}."
                )


class _Recorder:
    """Passes on what the stack says, as `supervisor.Observer` has it."""

    def __init__(self, background: BackgroundStack) -> None:
        self._background = background

    def listening(self, url: str) -> None:
        """See Observer."""
        self._background.told(url=url)

    def ready(self, seconds: float) -> None:  # noqa: ARG002 - nobody asks
        """See Observer."""
        self._background.told(ready=True)

    def restarting(self, part: Part, status: int | None, seconds: float) -> None:  # noqa: ARG002 - the log says more
        """See Observer."""
        self._background.told(restarted=part)
