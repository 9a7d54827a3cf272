"""The data directory of an embedded stack: one `hornbeam up` at a time, and a note of where it listens.

The lock is the kernel's, so it is gone when its holder is, however that ended; the note in `run.json` is only read
by people and by the command line.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hornbeam.errors import DirectoryInUse, InstallationError

_LOCK = "up.lock"
_NOTE = "run.json"


@dataclass(frozen=True, slots=True)
class RunNote:
    """What a running stack tells about itself."""

    pid: int
    url: str
    children: dict[str, int] = field(default_factory=dict)
    """The process of each part, by name."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory, creating it where needed. Raises DirectoryInUse, or InstallationError."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InstallationError(
            f"The data directory {directory} can't be used: {error.strerror}.", suggestion="Name another with --data."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _in_use(directory) from error
        # Of one that was killed: it would be taken for ours until we have written our own.
        remove_note(directory)
        yield
    finally:
        os.close(handle)


def write_note(directory: Path, note: RunNote) -> None:
    """Replace the note, whole."""
    draft = directory / f".{_NOTE}.draft"
    draft.write_text(json.dumps(asdict(note), indent=2) + "\n")
    draft.replace(directory / _NOTE)


def remove_note(directory: Path) -> None:
    """Remove the note, if there is one."""
    (directory / _NOTE).unlink(missing_ok=True)


def read_note(directory: Path) -> RunNote | None:
    """The note of the stack that runs on this directory; None where none runs, or it is still starting."""
    try:
        note = RunNote(**json.loads((directory / _NOTE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return note if _is_locked(directory) else None


def _is_locked(directory: Path) -> bool:
    """Whether somebody holds the directory: a note may have outlived who wrote it."""
    try:
        handle = os.open(directory / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _in_use(directory: Path) -> DirectoryInUse:
    note = read_note(directory)
    who = f"process {note.pid}, at {note.url}" if note else "it is still starting"
    return DirectoryInUse(
        f"Another `hornbeam up` is running on {directory} ({who}).",
        suggestion="Use that one, stop it, or name another directory with --data.",
    )
