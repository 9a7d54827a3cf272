"""What stops a file from being read, and what sends a reader back to its beginning.

Leaves the words to the readers, which know where in the file something is wrong, and the answer to `answering`.
"""

from collections.abc import Sequence

from schemas.problems import Finding, Severity


class FileRefused(Exception):
    """A file cannot be a dataset: at least one finding says why."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings
        super().__init__("; ".join(f"{finding.code}: {finding.message}" for finding in findings))


class Abandoned(Exception):
    """Nobody wants the table any more."""


class ReadAgain(Exception):
    """What was taken for granted at the beginning does not hold: the reader has noted it, and begins again."""


def refused(code: str, message: str, suggestion: str | None = None, *, pointer: str = "") -> FileRefused:
    """One error, to be raised."""
    return FileRefused(Finding(pointer=pointer, code=code, message=message, suggestion=suggestion))


def warning(code: str, message: str, suggestion: str | None = None) -> Finding:
    """Something that deserves a look."""
    return Finding(severity=Severity.WARNING, pointer="", code=code, message=message, suggestion=suggestion)


def quoted(text: str, length: int = 60) -> str:
    """A text of a client's file for a message: cut, and with what cannot be printed escaped."""
    shown = text if len(text) <= length else text[:length] + "..."
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown) + '"'


def listed(names: Sequence[str], most: int = 5) -> str:
    """Some names for a message."""
    shown = ", ".join(quoted(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
