"""Prints errors and findings, with the line of the spec file that each is about."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from hornbeam.cli.specfiles import Place, SpecFile, UnreadableSpec
from hornbeam.errors import HornbeamError, InvalidDataset, InvalidSpec
from schemas.problems import Finding, Severity

_ABOUT_A_NAME = {"field.unknown", "parameter.unknown"}
_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}


def print_error(console: Console, error: HornbeamError, spec: SpecFile | None = None) -> None:
    """Say what went wrong, and what to do about it."""
    if isinstance(error, InvalidSpec | InvalidDataset) and error.findings:
        print_findings(console, error.findings, spec)
        return
    _headline(console, Severity.ERROR, error.message, error.code)
    if isinstance(error, UnreadableSpec) and error.place:
        _excerpt(console, error.file, error.text.splitlines(), error.place, "")
    if error.suggestion:
        _help(console, error.suggestion)


def print_findings(console: Console, findings: Sequence[Finding], spec: SpecFile | None = None) -> None:
    """Each finding with its place, the line, and what to do instead."""
    for number, finding in enumerate(findings):
        if number:
            console.print()
        _headline(console, finding.severity, finding.message, finding.code)
        if spec is None:
            console.print(Text(f"  --> {finding.pointer or 'the whole'}", style="dim"))
        else:
            place = _place(finding, spec)
            _excerpt(console, spec.name, spec.text.splitlines(), place, finding.pointer)
        if finding.suggestion:
            _help(console, finding.suggestion)


def error_json(error: HornbeamError) -> str:
    """An error for a script, on one line."""
    findings = error.findings if isinstance(error, InvalidSpec | InvalidDataset) else ()
    return json.dumps(
        {
            "code": error.code,
            "message": error.message,
            "suggestion": error.suggestion,
            "errors": [finding.model_dump(mode="json") for finding in findings],
        }
    )


def _place(finding: Finding, spec: SpecFile) -> Place:
    """What to underline: of a component of an unknown type the type, of an unknown field its name."""
    if finding.code == "component.unknown":
        return spec.locate(f"{finding.pointer}/type")
    return spec.locate(finding.pointer, key=finding.code in _ABOUT_A_NAME)


def _headline(console: Console, severity: Severity, message: str, code: str) -> None:
    console.print(Text.assemble((severity, _STYLE[severity]), f"[{code}]: ", (message, "bold")), soft_wrap=True)


def _excerpt(console: Console, file: str, lines: Sequence[str], place: Place, pointer: str) -> None:
    line = lines[place.line - 1].replace("\t", " ") if place.line <= len(lines) else ""
    gutter = len(str(place.line)) + 1
    where = Text.assemble(" " * gutter, ("--> ", "blue"), f"{file}:{place.line}:{place.column}")
    console.print(where.append(f"  {pointer}" if pointer else "", style="dim"), soft_wrap=True)
    console.print(Text.assemble((f" {place.line} | ", "blue"), line), no_wrap=True, overflow="ellipsis")
    marks = "^" * max(1, min(place.length, len(line) - place.column + 1))
    console.print(
        Text.assemble((" " * gutter + " | ", "blue"), " " * (place.column - 1), (marks, "bold red")), no_wrap=True
    )


def _help(console: Console, suggestion: str) -> None:
    console.print(Text.assemble(("  help: ", "bold green"), suggestion), soft_wrap=True)
