"""Finds the components in a normalised spec, at whatever depth. Leaves what to do with them to whoever asks."""

from collections.abc import Iterator, Mapping
from typing import Any

from hornbeam.specs.findings import pointer

_PARTS = ("model", "loss", "optimizer", "metrics", "callbacks")
"""What components stand in. In metadata a `type` is anything."""
_HOLDING = (dict, list)
"""What may hold a component. A normalised spec is plain JSON."""


def components(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every component of a normalised spec with its pointer, those inside of others after these."""
    for name in _PARTS:
        yield from _below(spec[name], pointer(name))
    yield from _below((spec["dataset"] or {}).get("preprocess"), "/dataset/preprocess")


def _below(value: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, _HOLDING):
        return
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        yield where, value
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, _HOLDING):  # numbers and text are most of a spec: no iterator for each of them
            yield from _below(item, f"{where}{pointer(name)}")
