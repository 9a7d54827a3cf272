"""What a checked spec needs of the workers: which of the operators' components it names."""

from collections.abc import Mapping
from typing import Any

from hornbeam.components.catalog import CatalogueIndex
from hornbeam.specs.walking import components


def needed_components(spec: Mapping[str, Any], catalogue: CatalogueIndex) -> tuple[str, ...]:
    """The keys of the operators' components in a normalised spec, wherever they stand in it.

    Args:
        spec: A normalised spec, in which components go by their canonical names, which no other component has.
        catalogue: What it was checked against.
    """
    if not catalogue.deployed:
        return ()
    names = {component["type"] for _, component in components(spec)}
    return tuple(sorted({key for name in names for key in catalogue.deployed.get(name, ())}))
