"""A piece of work that is done beside the trainer, by a process that was forked before the backend ran.

The picture of the learning curves takes as long as all else that a small training leaves behind, and Python does one
thing at a time. Later forks would be unsafe: by then the backend has threads. Leaves what the work is to the callers.
"""

import contextlib
import os
import pickle
import signal
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable

from hornbeam.processes import die_with_parent

Work = Callable[[], object]

_LENGTH_BYTES = 8


class Beside(ABC):
    """Does one piece of work, some time between `begin` and the end of `finish`. Close it with the job."""

    @abstractmethod
    def begin(self, work: Work) -> None:
        """Have `work` done: something that can be pickled, and whose result is a file."""

    @abstractmethod
    def finish(self) -> None:
        """Wait until it is done. Raises what the work raises."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing behind, whether there was work or not."""


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

    def close(self) -> None:
        """See Beside."""


class Forked(Here):
    """Does it in a child, forked when this is made; here where the child fails.

    The child has a process group of its own, in which the trainer's memory is not counted twice, and ends with the
    trainer.
    """

    def __init__(self) -> None:
        """Fork. Raises OSError where there are too many processes, or too little memory."""
        self._is_over = False
        reading, self._orders = os.pipe()
        parent = os.getpid()
        try:
            self.child = os.fork()
        except OSError:
            os.close(reading)
            os.close(self._orders)
            raise
        if self.child == 0:
            os.close(self._orders)
            _serve(reading, parent)
        os.close(reading)

    def begin(self, work: Work) -> None:
        """See Beside."""
        super().begin(work)
        order = pickle.dumps(work)
        # Its length first: somebody else may hold the pipe open, a process that a component has started.
        with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(self._orders), "wb") as orders:
            orders.write(len(order).to_bytes(_LENGTH_BYTES, "big") + order)

    def finish(self) -> None:
        """See Beside."""
        if self._wait() != 0:
            super().finish()

    def close(self) -> None:
        """See Beside."""
        if not self._is_over:
            os.kill(self.child, signal.SIGKILL)
            self._wait()
        os.close(self._orders)

    def _wait(self) -> int:
        """The child's status; not 0 where somebody else has asked for it."""
        self._is_over = True
        try:
            return os.waitpid(self.child, 0)[1]
        except ChildProcessError:
            return -1


def _serve(orders: int, parent: int) -> None:
    status = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(parent)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # What is worth a word fails, and is done again by the trainer.
        warnings.simplefilter("ignore")
        with os.fdopen(orders, "rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
            if length:
                pickle.loads(file.read(length))()  # noqa: S301 - the trainer's own, over a pipe that only it writes to
        status = 0
    finally:
        os._exit(status)
