"""Starts children: the interface, so that something else than forking can take its place where forking is unsafe.

`workers.zygote_launcher` has the one implementation. Leaves what a child says, and how long it may live, to the
supervisor.
"""

import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from hornbeam.errors import HornbeamError
from workers.protocol import Duty

ENVIRONMENT_KEPT = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "USER"})
ENVIRONMENT_KEPT_PREFIXES = (
    "PYTHON",
    "LC_",
    "KERAS_",
    "TF_",
    "XLA_",
    "JAX_",
    "NUMPY_",
    "CUDA_",
    "NVIDIA_",
    "NCCL_",
    "OMP_",
    "MPLCONFIGDIR",
    "XDG_CACHE_HOME",
)
_SET = {
    "MPLBACKEND": "Agg",
    # OpenBLAS starts its threads when NumPy is imported, and a zygote has one thread.
    "OPENBLAS_NUM_THREADS": "1",
    # On a virtual machine whose host takes free memory back, a huge page costs three times what its small ones do.
    "NUMPY_MADVISE_HUGEPAGE": "0",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def cleared_environment(environment: Mapping[str, str], *, has_gpu: bool = False) -> dict[str, str]:
    """What a trainer may know of the worker's environment: no addresses, no credentials."""
    # Without a GPU, TensorFlow calls it an error in each job's log that there is none.
    logging = {"TF_CPP_MIN_LOG_LEVEL": "2" if has_gpu else "3"}
    kept = {
        name: value
        for name, value in environment.items()
        if name in ENVIRONMENT_KEPT or name.startswith(ENVIRONMENT_KEPT_PREFIXES)
    }
    return {**_SET, **logging, **kept, "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


class LaunchFailed(HornbeamError):
    """No trainer could be started."""

    code = "infrastructure.launch_failed"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended: with a `status`, by a `signal`, or unknown (both None) with the zygote that knew."""

    status: int | None = None
    signal: int | None = None
    max_rss_bytes: int = 0

    @property
    def is_unknown(self) -> bool:
        """Whether nobody saw the child's end: what ran it died first."""
        return self.status is None and self.signal is None


class Child:
    """A process that runs one duty, and the reading ends of its pipes.

    `messages`, `stdout` and `stderr` are non-blocking descriptors; `gone` becomes readable when the child has exited
    and `exit` is set.
    """

    def __init__(self, messages: int, stdout: int, stderr: int) -> None:
        self.messages, self.stdout, self.stderr = messages, stdout, stderr
        self.pid: int | None = None
        self.exit: Exit | None = None
        self.gone, self._gone_end = os.pipe()
        self._started = threading.Event()
        self._lock = threading.Lock()
        self._is_closed = False
        for descriptor in (messages, stdout, stderr):
            os.set_blocking(descriptor, False)

    def signal(self, signum: int) -> None:
        """Send a signal to the child's process group, unless the child is gone."""
        with self._lock:
            if self.pid is not None and self.exit is None:
                try:
                    os.killpg(self.pid, signum)
                except ProcessLookupError:
                    return

    def close(self) -> None:
        """Kill the child if it still runs, and close the descriptors. Harmless when called again."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            for descriptor in (self.messages, self.stdout, self.stderr, self.gone):
                os.close(descriptor)
            if self.exit is None:
                os.close(self._gone_end)
        self.signal(signal.SIGKILL)

    def wait_started(self, timeout: float) -> bool:
        """Wait until the process is there, or is gone already."""
        return self._started.wait(timeout)

    def note_started(self, pid: int) -> None:
        """For launchers: the process is there. It is killed where nobody waits for it any more."""
        self.pid = pid
        self._started.set()
        with self._lock:
            is_late = self._is_closed
        if is_late:
            self.signal(signal.SIGKILL)

    def note_exit(self, exit: Exit) -> None:
        """For launchers: the process is gone."""
        with self._lock:
            if self.exit is not None:
                return
            self.exit = exit
            if not self._is_closed:
                os.close(self._gone_end)
        self._started.set()


class Launcher(ABC):
    """Starts children. Every method may be called from any thread."""

    @abstractmethod
    def wait_until_ready(self, timeout: float) -> bool:
        """Wait until a child would start at once. False after `timeout` seconds, or when it is being stopped."""

    @abstractmethod
    def launch(self, duty: Duty, request: BaseModel, workdir: Path) -> Child:
        """Start a child in `workdir`. Raises LaunchFailed."""

    @abstractmethod
    def stop(self) -> None:
        """End every child, and start no more."""
