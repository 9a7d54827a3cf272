"""The large documents that change with the installation only, made when they are first asked for."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from hornbeam.components.catalog import CatalogueIndex
from hornbeam.errors import ComponentNotFound
from hornbeam.specs.schema import job_schema
from schemas.catalog import Catalogue, ComponentEntry, ComponentKind
from service.views import etag_of


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is answered."""

    body: bytes
    etag: str


class Documents:
    """The catalogue, by kind and whole, and the schema of a spec. Any thread may ask."""

    def __init__(self, catalogue: CatalogueIndex) -> None:
        self._catalogue = catalogue
        self._made: dict[str, Document] = {}
        self._lock = threading.Lock()

    def schema(self) -> Document:
        """The JSON Schema of a job spec."""
        return self._once("schema", lambda: json.dumps(job_schema(self._catalogue)))

    def components(self, kind: ComponentKind | None) -> Document:
        """The catalogue, or the part of one kind."""
        return self._once(kind or "all", lambda: self._part(kind).model_dump_json(by_alias=True))

    def component(self, kind: str, name: str) -> ComponentEntry:
        """One component, by its name or an alias. Raises ComponentNotFound."""
        known = known_kind(kind)
        entry = self._catalogue.find(known, name)
        if entry is None:
            reason = self._catalogue.reason_left_out(known, name)
            meant = self._catalogue.suggest(known, name)
            raise ComponentNotFound(
                f"A spec may not name this {kind}: {reason}" if reason else None,
                suggestion=f"Did you mean {meant}?" if meant else None,
            )
        return entry

    def _once(self, name: str, make: Callable[[], str]) -> Document:
        with self._lock:
            if name not in self._made:
                body = make().encode()
                self._made[name] = Document(body, etag_of(body))
            return self._made[name]

    def _part(self, kind: ComponentKind | None) -> Catalogue:
        whole = self._catalogue.document()
        if kind is None:
            return whole
        return Catalogue(
            digest=whole.digest,
            keras_version=whole.keras_version,
            components=[entry for entry in whole.components if entry.kind is kind],
            left_out=[item for item in whole.left_out if item.kind is kind],
        )


def known_kind(kind: str) -> ComponentKind:
    """The kind of this name. Raises ComponentNotFound."""
    try:
        return ComponentKind(kind)
    except ValueError:
        raise ComponentNotFound(f"There is no such kind; there are {', '.join(ComponentKind)}.") from None
