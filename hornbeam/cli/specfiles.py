"""Spec files: YAML or JSON into plain values, and back from a JSON pointer to line and column.

YAML is read by the rules of version 1.2's core schema, so that `1e-3` is a number and `no` a word, as in JSON;
keys that stand twice are refused. Leaves what a spec means to the service.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hornbeam.errors import Invalid

STDIN = "-"
_LARGEST = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file; counted from 1."""

    line: int
    column: int
    length: int
    """How many characters to underline."""


class UnreadableSpec(Invalid):
    """The spec file can't be read."""

    code = "spec.unreadable"

    def __init__(self, message: str, *, file: str, place: Place | None = None, text: str = "") -> None:
        super().__init__(message)
        self.file = file
        self.place = place
        self.text = text


@dataclass(frozen=True, slots=True)
class SpecFile:
    """A spec as it was written."""

    name: str
    """Its path, or `<stdin>`."""
    text: str
    document: dict[str, Any]
    _root: yaml.Node

    def locate(self, pointer: str, *, key: bool = False) -> Place:
        """Where a JSON pointer leads: to the value, or with `key` to the name in front of it.

        A pointer to something that is not there leads to the innermost thing that is.
        """
        node, name = self._root, None
        for part in _parts(pointer):
            found = _step(node, part)
            if found is None:
                break
            name, node = found
        return _place_of(name if key and name is not None else node)

    def line(self, number: int) -> str:
        """A line of the text, without its end."""
        lines = self.text.splitlines()
        return lines[number - 1] if number <= len(lines) else ""


def read_spec(path: str) -> SpecFile:
    """Read a spec file; `-` is standard input. Raises UnreadableSpec."""
    if path == STDIN:
        return parse_spec(sys.stdin.read(_LARGEST), "<stdin>")
    try:
        with Path(path).open(encoding="utf-8") as file:
            return parse_spec(file.read(_LARGEST), path)
    except OSError as error:
        raise UnreadableSpec(f"{path}: {error.strerror}.", file=path) from error
    except UnicodeDecodeError as error:
        raise UnreadableSpec(f"{path} is not UTF-8 text.", file=path) from error


def parse_spec(text: str, name: str) -> SpecFile:
    """A spec from its text. Raises UnreadableSpec, with the place."""
    try:
        root, document = _composed(text, name), _as_json(text)
        if root is not None:
            # Also for JSON, whose own reader takes the last of two equal keys without a word.
            values = _Values(name, text).value_of(root)
            document = values if document is None else document
    except RecursionError as error:
        raise UnreadableSpec("This is nested too deeply.", file=name) from error
    if root is None or not isinstance(document, dict):
        raise UnreadableSpec("A spec is a mapping: `dataset: …`, `model: …`, and so on.", file=name)
    return SpecFile(name, text, document, root)


def _composed(text: str, name: str) -> yaml.Node | None:
    # JSON may be indented with tabs, YAML may not; inside strings JSON has none.
    source = text.replace("\t", " ") if text.lstrip().startswith("{") else text
    try:
        root: yaml.Node | None = yaml.compose(source, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error, name, text) from error
    except yaml.YAMLError as error:
        raise UnreadableSpec(str(error), file=name) from error
    return root


def _as_json(text: str) -> Any:
    """The value where the text is JSON, None where it is not: YAML reads some of its escapes differently."""
    try:
        return json.loads(text)
    except ValueError:
        return None


class _CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema."""


_CoreLoader.yaml_implicit_resolvers = {}


_CORE = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
)
for _tag, _pattern, _first in _CORE:
    _CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), [c if c != "\0" else "" for c in _first]
    )


class _Values:
    """Makes plain values of YAML nodes."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._open: list[yaml.Node] = []
        """The collections that we are inside of."""

    def value_of(self, node: yaml.Node) -> Any:
        """The plain value of a node. Raises UnreadableSpec."""
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if any(outer is node for outer in self._open):
            raise self._refused(node, "This contains itself.")
        self._open.append(node)
        value = self._mapping(node) if isinstance(node, yaml.MappingNode) else [*map(self.value_of, node.value)]
        self._open.pop()
        return value

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refused(key, "A key has to be a word.")
            if key.value in values:
                raise self._refused(key, f"The key `{key.value}` stands here twice.")
            values[key.value] = self.value_of(value)
        return values

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind == "null":
            return None
        if kind == "bool":
            return node.value.lower() == "true"
        if kind == "int":
            return int(node.value, 0) if node.value[:2] in {"0o", "0x"} else int(node.value)
        if kind == "float":
            return float(node.value)
        if kind == "str":
            return node.value
        raise self._refused(node, f"The tag `{node.tag}` means nothing in a spec.")

    def _refused(self, node: yaml.Node, message: str) -> UnreadableSpec:
        return UnreadableSpec(message, file=self._file, place=_place_of(node), text=self._text)


def _step(node: yaml.Node, part: str) -> tuple[yaml.Node | None, yaml.Node] | None:
    """One step down: the key, where there is one, and the value."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        return None, node.value[int(part)]
    return None


def _parts(pointer: str) -> Iterator[str]:
    for part in pointer.split("/")[1:]:
        yield part.replace("~1", "/").replace("~0", "~")


def _place_of(node: yaml.Node) -> Place:
    start, end = node.start_mark, node.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Place(start.line + 1, start.column + 1, max(length, 1))


def _unreadable(error: yaml.MarkedYAMLError, name: str, text: str) -> UnreadableSpec:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1, 1) if mark else None
    message = error.problem or error.context or "this is not YAML"
    return UnreadableSpec(message[:1].upper() + message[1:] + ".", file=name, place=place, text=text)
