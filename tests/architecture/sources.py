"""The repository's files, and Python modules as syntax trees, for the tests beside this module."""

import ast
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "hornbeam", "service", "workers")
"""What is installed."""
PROGRAMS = (*PACKAGES, "bench", "tools")
"""What is installed, and what is run from a checkout."""

_NOT_OURS = frozenset({".git", ".venv", ".hypothesis", "build", "dist", "data", "hornbeam-demo", "__pycache__"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A Python file."""

    path: Path

    @property
    def name(self) -> str:
        """The path from the root, as exceptions name it."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def dotted(self) -> str:
        """What it is imported as."""
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    @functools.cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8")

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The source, parsed."""
        return ast.parse(self.text)

    @property
    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function and method as `Class.method`, with its definition."""
        yield from _functions(self.tree, "")


def modules(*folders: str) -> list[Module]:
    """Every Python file below these folders of the root, by name."""
    return [module for module in _every_module() if module.path.relative_to(ROOT).parts[0] in folders]


@functools.cache
def _every_module() -> tuple[Module, ...]:
    """Once, so that each is parsed once."""
    return tuple(Module(path) for path in files() if path.suffix == ".py")


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file of the repository, less hidden folders' and those that are made."""
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(
            name for name in inner if name not in _NOT_OURS and not name.endswith(("_cache", ".egg-info"))
        )
        found += [Path(folder, name) for name in names]
    return tuple(sorted(found))


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)
