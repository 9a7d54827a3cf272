"""The committed catalogue, with lookups, and with what operators add. No Keras: the API checks specs against it.

Entries become models when they are asked for: validating all 270 at start-up would cost more than reading the file.
Leaves generating the file to `hornbeam.components.introspection`.
"""

import difflib
import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.catalog import Catalogue, ComponentEntry, ComponentKind, Parameter

CATALOG_PATH = Path(__file__).with_name("catalog.json")
_LONGEST_NAME = 64
"""Names longer than any component's get no suggestion: comparing them costs time that a client would choose."""
_ALIKE = 0.7
"""How much of two names must be the same for one to be suggested instead of the other."""
_MOST_COMPARED = 8
"""Names that are compared letter by letter, which takes milliseconds where somebody chose them to."""


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters of a component."""

    parameters: Mapping[str, Parameter]
    """By name, in Keras's order."""
    required: tuple[str, ...]
    defaults: Mapping[str, Any]
    """Of all parameters; components in them are spelled out."""

    def copied_defaults(self) -> dict[str, Any]:
        """The defaults for somebody who goes on to change them."""
        return {name: dict(value) if isinstance(value, dict) else value for name, value in self.defaults.items()}


class CatalogueIndex:
    """All components by kind and name."""

    def __init__(self, document: dict[str, Any], deployed: Iterable[ComponentEntry] = ()) -> None:
        """Index a catalogue document, of which `deployed` are the components that operators added."""
        self._document = document
        self.deployed: dict[str, list[str]] = {}
        """The keys of the operators' components by canonical name: one for each kind that has it."""
        for entry in deployed:
            self.deployed.setdefault(entry.name, []).append(component_key(entry))
        self._raw: dict[tuple[str, str], dict[str, Any]] = {}
        for raw in document["components"]:
            for name in (raw["name"], *raw.get("aliases", ())):
                self._raw[raw["kind"], name] = raw
        self._entries: dict[tuple[str, str], ComponentEntry] = {}
        self._forms: dict[tuple[str, str], Form] = {}
        self._left_out = {(raw["kind"], raw["name"]): str(raw["reason"]) for raw in document["left_out"]}

    @property
    def digest(self) -> str:
        """SHA-256 over the components."""
        return str(self._document["digest"])

    @property
    def keras_version(self) -> str:
        """The Keras that the catalogue describes."""
        return str(self._document["keras_version"])

    def with_deployed(self, entries: Iterable[ComponentEntry]) -> "CatalogueIndex":
        """This catalogue with components of operators: of two with one name the later one, but none of a name here."""
        wanted = {(entry.kind, entry.name): self._without_taken(entry) for entry in entries}
        added = [entry for entry in wanted.values() if self.find(entry.kind, entry.name) is None]
        if not added:
            return self
        raw = [entry.model_dump(mode="json", by_alias=True) for entry in added]
        components = sorted([*self._document["components"], *raw], key=lambda each: (each["kind"], each["name"]))
        digest = hashlib.sha256(json.dumps([self.digest, raw], sort_keys=True).encode()).hexdigest()
        return CatalogueIndex({**self._document, "digest": digest, "components": components}, added)

    def _without_taken(self, entry: ComponentEntry) -> ComponentEntry:
        """The entry without the aliases that name another component here."""
        free = [alias for alias in entry.aliases if self.find(entry.kind, alias) is None]
        return entry.model_copy(update={"aliases": free})

    def document(self) -> Catalogue:
        """The whole of it, validated: a few tens of milliseconds."""
        return Catalogue.model_validate(self._document)

    def find(self, kind: ComponentKind, name: str) -> ComponentEntry | None:
        """The component with this canonical name or alias, exactly as it is written."""
        raw = self._raw.get((kind.value, name))
        if raw is None:
            return None
        key = kind.value, str(raw["name"])
        if key not in self._entries:
            self._entries[key] = ComponentEntry.model_validate(raw)
        return self._entries[key]

    def form(self, entry: ComponentEntry) -> Form:
        """What an entry says, made ready for checking many specs."""
        key = entry.kind.value, entry.name
        if key not in self._forms:
            self._forms[key] = Form(
                parameters={parameter.name: parameter for parameter in entry.parameters},
                required=tuple(parameter.name for parameter in entry.parameters if parameter.required),
                defaults={parameter.name: self._default(parameter) for parameter in entry.parameters},
            )
        return self._forms[key]

    def _default(self, parameter: Parameter) -> Any:
        """The default, a component's name spelled out as the component with its own defaults."""
        if isinstance(parameter.default, str):
            for kind in parameter.accepts:
                entry = self.find(kind, parameter.default)
                if entry is not None:
                    return {"type": entry.name, **self.form(entry).copied_defaults()}
        return parameter.default

    def components(self, kind: ComponentKind | None = None) -> Iterator[ComponentEntry]:
        """Every component, or those of one kind, by name."""
        for raw in self._document["components"]:
            entry_kind = ComponentKind(raw["kind"])
            if kind in (None, entry_kind):
                entry = self.find(entry_kind, raw["name"])
                if entry is not None:
                    yield entry

    def kinds_of(self, name: str) -> list[ComponentKind]:
        """The kinds that have a component of this name."""
        return [kind for kind in ComponentKind if (kind.value, name) in self._raw]

    def reason_left_out(self, kind: ComponentKind, name: str) -> str | None:
        """Why a component of Keras is not in the catalogue; None where it is no component of Keras, or is in it."""
        return self._left_out.get((kind.value, name))

    def suggest(self, kind: ComponentKind, name: str) -> str | None:
        """The name of this kind that was most likely meant, or None."""
        if len(name) > _LONGEST_NAME:
            return None
        names = [known for of_kind, known in self._raw if of_kind == kind.value]
        return closest(name, names)


def component_key(entry: ComponentEntry) -> str:
    """Names a component together with all that a spec depends on, but no documentation.

    A worker can run what was checked against a component if it holds one of the same key.
    """
    parameters = [
        parameter.model_dump(mode="json", by_alias=True, exclude={"description"}) for parameter in entry.parameters
    ]
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    return f"{entry.kind}:{entry.name}@{digest[:16]}"


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` was most likely meant to be: the same but for case, or else much alike."""
    if len(name) > _LONGEST_NAME:
        return None
    folded: dict[str, str] = {}
    for known in names:
        folded.setdefault(_folded(known), known)
    if _folded(name) in folded:
        return folded[_folded(name)]
    alike = _most_alike(_folded(name), folded)
    return None if alike is None else folded[alike]


def _most_alike(name: str, names: Iterable[str]) -> str | None:
    """As `difflib.get_close_matches`, but it compares few to the end: those that share most letters, these first."""
    matcher = difflib.SequenceMatcher()
    matcher.set_seq2(name)
    bounds = []
    for known in names:
        matcher.set_seq1(known)
        if matcher.real_quick_ratio() >= _ALIKE and (bound := matcher.quick_ratio()) >= _ALIKE:
            bounds.append((bound, known))
    best: tuple[float, str] | None = None
    for bound, known in heapq.nlargest(_MOST_COMPARED, bounds):
        if best is not None and bound < best[0]:
            break
        matcher.set_seq1(known)
        ratio = matcher.ratio()
        if ratio >= _ALIKE and (best is None or (ratio, known) > best):
            best = ratio, known
    return None if best is None else best[1]


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()


def load_catalogue(path: Path = CATALOG_PATH) -> CatalogueIndex:
    """Read the catalogue. Callers keep it: nothing is cached here."""
    return CatalogueIndex(json.loads(path.read_bytes()))
