"""Child processes that end with the process that started them, even when that one is killed with -9.

Linux only (`prctl`); elsewhere the child has to notice by itself, for which `parent_is_gone` serves.
Leaves starting and stopping to the callers.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
# Looked up at import: between fork and exec nothing may be loaded.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int, signum: int = signal.SIGKILL) -> None:
    """Have the kernel send this process `signum` when the *thread* that started it ends.

    Call it in the child. `parent` is the id that the parent had before the fork: when it is gone already, the
    signal would never come, so the process exits at once.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if parent_is_gone(parent):
        os._exit(1)


def dying_with_parent(signum: int = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn` for `subprocess.Popen`. Start the process from a thread that lives as long as it should."""
    parent = os.getpid()
    return lambda: die_with_parent(parent, signum)


def parent_is_gone(parent: int) -> bool:
    """Whether this process has been handed to another parent than the one that started it."""
    return os.getppid() != parent
