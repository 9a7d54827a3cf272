"""What a checked spec needs of the workers: which of the operators' components it names."""

from collections.abc import Iterator, Mapping
from typing import Any

from hornbeam.components.catalog import CatalogueIndex

_WITH_COMPONENTS = ("model", "loss", "optimizer", "metrics", "callbacks")
"""The parts of a spec that components stand in. In metadata a `type` is anything."""


def needed_components(spec: Mapping[str, Any], catalogue: CatalogueIndex) -> tuple[str, ...]:
    """The keys of the operators' components in a normalised spec, wherever they stand in it.

    Args:
        spec: A normalised spec, in which components go by their canonical names.
        catalogue: What it was checked against.
    """
    if not catalogue.deployed:
        return ()
    parts = [spec[name] for name in _WITH_COMPONENTS]
    return tuple(sorted({key for name in _types(parts) for key in catalogue.deployed.get(name, ())}))


def _types(value: Any) -> Iterator[str]:
    """Every `type` in the document; names of operators' components are theirs alone."""
    if isinstance(value, list):
        for item in value:
            yield from _types(item)
    elif isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value["type"]
        for item in value.values():
            yield from _types(item)
