"""Collects findings about one posted document, all of them up to a limit, and JSON pointers to say where."""

from collections.abc import Collection, Iterable
from typing import Any

from hornbeam.components.catalog import closest
from schemas.problems import Finding, Severity

MOST_FINDINGS = 100
"""The search ends there: a body may hold 100,000 mistakes, and nobody reads past the first hundred."""

_MOST_COMPARED = 5000
"""Names that a document's misspelt ones are compared with: a graph of 1,000 layers may hold 1,000 of those."""


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) from its unescaped parts."""
    escaped = [str(part).replace("~", "~0").replace("/", "~1") for part in parts]
    return "/".join(["", *escaped])


class Report:
    """What there is to say about one document.

    Args:
        document: As the client posted it.
        blemishes: What is already known to be wrong with it, as JSON.
    """

    def __init__(self, document: Any, blemishes: Iterable[Finding] = ()) -> None:
        self._document = document
        self._findings: list[Finding] = []
        self._settled: frozenset[str] = frozenset()
        self._compared = 0
        self.add(blemishes)
        self._settled = frozenset(finding.pointer for finding in self._findings)

    @property
    def full(self) -> bool:
        """Whether there is no point in looking further."""
        return len(self._findings) >= MOST_FINDINGS

    @property
    def has_errors(self) -> bool:
        """Whether the document is refused."""
        return any(finding.severity is Severity.ERROR for finding in self._findings)

    def has_errors_in(self, *places: str) -> bool:
        """Whether something at or below one of these pointers is refused."""
        errors = [finding.pointer for finding in self._findings if finding.severity is Severity.ERROR]
        return any(where == place or (place and where.startswith(f"{place}/")) for where in errors for place in places)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings; once there are too many, also one that says so."""
        if not self.full:
            return tuple(self._findings)
        rest = Finding(
            severity=Severity.INFO,
            pointer="",
            code="findings.more",
            message=f"No more than {MOST_FINDINGS} findings are listed; there may be others.",
        )
        return (*self._findings, rest)

    def error(self, where: str, code: str, message: str, suggestion: str | None = None) -> None:
        """Add something that stops the job."""
        self.add([Finding(pointer=where, code=code, message=message, suggestion=suggestion)])

    def warning(self, where: str, code: str, message: str, suggestion: str | None = None) -> None:
        """Add something that deserves a look."""
        finding = Finding(pointer=where, code=code, message=message, suggestion=suggestion, severity=Severity.WARNING)
        self.add([finding])

    def info(self, where: str, code: str, message: str, suggestion: str | None = None) -> None:
        """Add something worth knowing."""
        finding = Finding(pointer=where, code=code, message=message, suggestion=suggestion, severity=Severity.INFO)
        self.add([finding])

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings, each with the nearest pointer to something that the client did write.

        Values that are no JSON (`blemishes`) are reported as that alone.
        """
        for finding in findings:
            if self.full:
                return
            if finding.pointer in self._settled:
                continue
            where = self._nearest(finding.pointer)
            self._findings.append(
                finding if where == finding.pointer else finding.model_copy(update={"pointer": where})
            )

    def meant(self, name: str, names: Collection[str]) -> str | None:
        """The one of a client's own names that was most likely meant, as long as few enough were compared before."""
        self._compared += len(names)
        return None if self.full or self._compared > _MOST_COMPARED else closest(name, names)

    def _nearest(self, where: str) -> str:
        node, reached = self._document, ""
        for part in where.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                break
            reached = f"{reached}/{part}"
        return reached
