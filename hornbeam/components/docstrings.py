"""Reads Keras's docstrings: the first sentence, the text before the sections, and what each argument means.

Plain text comes out: examples, doctests and markup are left behind. Leaves judging types to `annotations`.
"""

import inspect
import re
from dataclasses import dataclass, field

_SECTION = re.compile(
    r"^(Args|Arguments|Call arguments|Init arguments|Returns|Raises|Example|Examples|Usage|Input shape|Output shape|"
    r"Inputs|Reference|References|Note|Notes|Standalone usage|For example|e\.g\.|Formula|"
    r"Usage with `compile\(\)` API|Using with \w+)\b.*:?$"
)
_ARGUMENT = re.compile(r"^(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?:\([^)]*\))?:(?:\s+(.*)|$)")
_LINK = re.compile(r"\[([^\]]+)\]\s*\(\s*[^)\s]+\s*\)")
_DOCTEST = re.compile(r"^\s*(>>>|\.\.\. )")
_SENTENCE = re.compile(r"^(.+?(?<!e\.g)(?<!i\.e)(?<!a\.k\.a)(?<!\bal)(?<!\.)[.!?])(?:\s|$)", re.DOTALL)
_LONGEST_ARGUMENT = 320
_LONGEST_DESCRIPTION = 700


@dataclass(frozen=True, slots=True)
class Docs:
    """What a docstring says."""

    summary: str = ""
    """The first sentence."""
    description: str = ""
    """The paragraphs between the first and the first section."""
    arguments: dict[str, str] = field(default_factory=dict)


def parse(text: str | None) -> Docs:
    """The parts of a docstring; empty parts where there are none."""
    if not text:
        return Docs()
    lines = _dedented(text)
    start = next((number for number, line in enumerate(lines) if _is_section(line)), len(lines))
    paragraphs = _paragraphs(lines[:start])
    summary = _first_sentence(paragraphs[0]) if paragraphs else ""
    rest = [paragraphs[0][len(summary) :].strip(), *paragraphs[1:]] if paragraphs else []
    description = _shortened("\n\n".join(paragraph for paragraph in rest if paragraph), _LONGEST_DESCRIPTION)
    return Docs(summary, description, _arguments(lines))


def _dedented(text: str) -> list[str]:
    """The lines without their common margin; some docstrings hold code at column 0, which `cleandoc` trips over."""
    first, *rest = text.expandtabs().splitlines() or [""]
    margin = next((len(line) - len(line.lstrip()) for line in rest if line.strip()), 0)
    return [first.strip(), *(line[min(margin, len(line) - len(line.lstrip())) :].rstrip() for line in rest)]


def _is_section(line: str) -> bool:
    return bool(_SECTION.match(line)) and not line.startswith(" ")


def _paragraphs(lines: list[str]) -> list[str]:
    """Plain paragraphs, without code and doctests, each on one line."""
    found: list[list[str]] = [[]]
    fenced = in_doctest = False
    for line in lines:
        if line.strip().startswith(("```", "$$")):
            fenced = not fenced
        elif not line.strip():
            found.append([])
            in_doctest = False
        elif _DOCTEST.match(line):
            in_doctest = True
        elif not fenced and not in_doctest:
            found[-1].append(line)
    joined = (" ".join(line.strip() for line in block) for block in found if block and not _is_output(block))
    return [_plain(paragraph) for paragraph in joined if not paragraph.endswith(":")]


def _is_output(block: list[str]) -> bool:
    """What a doctest printed, or code shown by indentation."""
    return all(line.startswith("    ") for line in block) or block[0].lstrip().startswith(("[", "(", "array(", "<"))


def _arguments(lines: list[str]) -> dict[str, str]:
    """The entries of the `Args:` section."""
    try:
        start = next(number for number, line in enumerate(lines) if re.match(r"^(Args|Arguments):?\s*$", line))
    except StopIteration:
        return {}
    body = []
    for line in lines[start + 1 :]:
        if line and not line.startswith(" "):
            break
        body.append(line)
    return {
        name.lstrip("*"): description
        for names, description in _entries(inspect.cleandoc("\n".join(body)).splitlines())
        for name in re.split(r"\s*,\s*", names)
    }


def _entries(lines: list[str]) -> list[tuple[str, str]]:
    entries: list[tuple[str, list[str]]] = []
    for line in lines:
        match = _ARGUMENT.match(line)
        if match:
            entries.append((match[1], [match[2] or ""]))
        elif entries and not _DOCTEST.match(line):
            entries[-1][1].append(line.strip())
    return [(names, _shortened(_plain(" ".join(text).strip()), _LONGEST_ARGUMENT)) for names, text in entries]


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", _LINK.sub(r"\1", text)).strip()


def _first_sentence(text: str) -> str:
    match = _SENTENCE.match(text)
    return match[1] if match else text


def _shortened(text: str, longest: int) -> str:
    """Whole sentences as far as they fit; the first one is cut where even that does not."""
    if len(text) <= longest:
        return text
    end = max(text.rfind(stop, 0, longest) for stop in (". ", ".\n", "? ", "! "))
    return text[: end + 1] if end > longest // 4 else f"{text[: longest - 1].rstrip()}…"
