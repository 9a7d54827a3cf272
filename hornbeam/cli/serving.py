"""What `up` does: the stack in the foreground, its news on the terminal, its end by a signal."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from hornbeam.cli import wording
from hornbeam.embedded.child import Part
from hornbeam.embedded.stack import Address, Stack
from hornbeam.environment import read_settings
from hornbeam.settings import Settings


def serve(console: Console, given: Mapping[str, Any], address: Address) -> None:
    """Run the stack until a signal ends it. Raises InstallationError and its kind.

    Args:
        console: Where its news are told.
        given: What the command line says of the settings.
        address: Where to listen.
    """
    settings = read_settings(**given)
    stop = threading.Event()
    stack = Stack(settings, address, Announcer(console, settings))
    if not address.is_loopback:
        console.print(f"warning: anybody who reaches {address.host} can train and read jobs here.", style="yellow")
    with stopped_by_signals(stop, stack, console):
        stack.run(stop)
    console.print("Stopped.")


class Announcer:
    """Says how the stack is doing: where it listens, when it is ready, what had to be started again."""

    def __init__(self, console: Console, settings: Settings) -> None:
        self._console = console
        self._data_dir = settings.data_dir.absolute()

    def listening(self, url: str) -> None:
        """See Observer."""
        self._console.print(Text("Hornbeam", style="bold green"))
        for name, value in (
            ("API", url),
            ("docs", f"{url}/docs"),
            ("data", self._data_dir),
            ("logs", self._data_dir / "logs"),
        ):
            self._console.print(Text.assemble((f"  {name:<5}", "dim"), str(value)), soft_wrap=True)
        self._console.print(Text("  Keras is being imported; jobs are taken in already.", style="dim"))

    def ready(self, seconds: float) -> None:
        """See Observer."""
        self._console.print(
            Text.assemble(("ready", "bold green"), f" after {wording.seconds(seconds)}. Ctrl-C stops it.")
        )

    def restarting(self, part: Part, status: int | None, seconds: float) -> None:
        """See Observer."""
        what = "would not start" if status is None else f"exited with status {status}"
        self._console.print(
            f"The {part.name} {what}; starting it again in {seconds:g} s. See {part.log_path}.",
            style="yellow",
            soft_wrap=True,
        )


@contextmanager
def stopped_by_signals(stop: threading.Event, stack: Stack, console: Console) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal stop the stack; a second one does not wait for the jobs."""

    def handle(signum: int, _frame: object) -> None:
        if stop.is_set():
            stack.kill()
            return
        stop.set()
        again = " Ctrl-C again ends them at once." if signum == signal.SIGINT else ""
        console.print(f"Stopping; running jobs save a checkpoint.{again}")

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {signum: signal.signal(signum, handle) for signum in signals}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
