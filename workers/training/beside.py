"""A piece of work that is done beside the trainer, by a process that was forked before the backend ran.

The picture of the learning curves takes as long as all else that a small training leaves behind, and Python does one
thing at a time. Later forks would be unsafe: by then the backend has threads. Leaves what the work is to the callers.
"""

import contextlib
import os
import pickle
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable

from hornbeam.processes import die_with_parent

Work = Callable[[], object]


class Beside(ABC):
    """Does one piece of work, some time between `begin` and the end of `finish`."""

    @abstractmethod
    def begin(self, work: Work) -> None:
        """Have `work` done: something that can be pickled, and whose result is a file."""

    @abstractmethod
    def finish(self) -> None:
        """Wait until it is done. Raises what the work raises."""


def beside() -> Beside:
    """A process that works beside this one; this one where the system can't fork. Call it before the backend runs."""
    try:
        return Forked()
    except OSError:
        return Here()


class Here(Beside):
    """Does it when it is waited for, in this process."""

    def begin(self, work: Work) -> None:
        """See Beside."""
        self._work = work

    def finish(self) -> None:
        """See Beside."""
        self._work()


class Forked(Here):
    """Does it in a child, forked when this is made; here where the child fails.

    The child has a process group of its own, in which the trainer's memory is not counted twice, and ends with the
    trainer.
    """

    def __init__(self) -> None:
        """Fork. Raises OSError where there are too many processes, or too little memory."""
        self._orders, orders = os.pipe()
        parent = os.getpid()
        self.child, self.is_over = os.fork(), False
        if self.child == 0:
            os.close(orders)
            _serve(self._orders, parent)
        os.close(self._orders)
        self._orders = orders

    def begin(self, work: Work) -> None:
        """See Beside."""
        super().begin(work)
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._orders, "wb") as orders:
            pickle.dump(work, orders)

    def finish(self) -> None:
        """See Beside."""
        _, status = os.waitpid(self.child, 0)
        self.is_over = True
        if status != 0:
            super().finish()


def _serve(orders: int, parent: int) -> None:
    status = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(parent)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with os.fdopen(orders, "rb") as file:
            work = file.read()
        if work:
            pickle.loads(work)()  # noqa: S301 - the trainer's own, over a pipe that only it has
        status = 0
    finally:
        os._exit(status)
