"""A forked child's life: it makes itself a process of its own, does its one duty, and leaves without looking back.

`os._exit` at the end, whatever happens: the interpreter's own end would run what belongs to the zygote. Leaves the
training to the entry module, and the limits on time and memory to the supervisor.
"""

import contextlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import NoReturn

from hornbeam.processes import die_with_parent
from workers.messages import Message, Planned, PlanRequest, TrainerRequest, encode
from workers.protocol import Fork

_PROOF_FILE_BYTES = 2**20
"""A proof has nothing to write."""


@dataclass(frozen=True, slots=True)
class Handover:
    """The descriptors that came with the order."""

    request: int
    messages: int
    stdout: int
    stderr: int


class StopFlag:
    """Whether somebody wants the training to end; set by SIGTERM. A plain flag: a handler must take no lock."""

    def __init__(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._is_set

    def raise_on(self, signum: int) -> None:
        """Set the flag when the signal comes."""

        def handle(_signum: int, _frame: FrameType | None) -> None:
            self._is_set = True

        signal.signal(signum, handle)


def become_child(entry: ModuleType, order: Fork, handover: Handover, zygote: int) -> NoReturn:
    """Do what the order says, and exit. Called right after the fork."""
    status = 1
    worker_log = os.dup(2)
    try:
        stop = StopFlag()
        _make_process_of_its_own(order, handover, zygote)
        stop.raise_on(signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        _do_duty(entry, order, handover, stop)
        status = 0
    except BaseException as error:  # noqa: BLE001 - nobody is above us: it is said, and the status tells
        # Clients read the job's log: no traceback there.
        print(f"The trainer ran into an error of its own: {type(error).__name__}", file=sys.stderr)  # noqa: T201
        os.write(worker_log, traceback.format_exc().encode())
    finally:
        _flush()
        os._exit(status)


def _make_process_of_its_own(order: Fork, handover: Handover, zygote: int) -> None:
    os.dup2(handover.stdout, 1)
    os.dup2(handover.stderr, 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with contextlib.suppress(PermissionError):  # the zygote was faster
        os.setpgid(0, 0)
    die_with_parent(zygote)
    os.chdir(order.workdir)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # Linux has it; where it is missing nothing is lost
        # When memory runs out, the kernel should take the trainer and not the database.
        Path("/proc/self/oom_score_adj").write_text("1000")


def _do_duty(entry: ModuleType, order: Fork, handover: Handover, stop: StopFlag) -> None:
    with os.fdopen(os.dup(handover.request), "rb") as file:
        request = file.read()
    send = _sender(handover.messages)
    if order.duty == "run":
        entry.run(TrainerRequest.model_validate_json(request), send, stop)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_PROOF_FILE_BYTES, _PROOF_FILE_BYTES))
        answer = entry.prove(PlanRequest.model_validate_json(request))
        send(Planned(answer=answer.model_dump(mode="json")))


def _sender(pipe: int) -> Callable[[Message], None]:
    def send(message: Message) -> None:
        # Log lines first: whoever reads the verdict may then stop reading.
        _flush()
        line = encode(message)
        while line:
            line = line[os.write(pipe, line) :]

    return send


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
