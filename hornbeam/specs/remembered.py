"""Remembers examined specs: who sends one again, under another name or with another seed, need not wait for the checks.

What is remembered is found by the document itself, without what no check looks at. It is bounded, and a pure function
of that document: forgetting it costs time, never an answer.
"""

import marshal
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.problems import Finding

_KEPT = 256
_LARGE = 65_536
"""Bytes of a normalised spec that are not worth keeping: together they could fill the memory."""
_UNSEEN = ("name", "metadata", "priority")
"""Fields of a spec that only its shape is checked of; and the training's seed."""
_ANY: Mapping[str, Any] = {"model": {"layers": [{"type": "Dense"}]}, "loss": "MeanSquaredError"}
"""What a spec can't do without."""
_FORM = 2
"""Of `marshal`: the newest whose bytes depend on nothing but the value."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an examination without errors found."""

    spec: bytes
    """The normalised spec, to be read anew by each who asks: they go on to change it."""
    findings: tuple[Finding, ...]
    pointers: Mapping[str, str]


class Memory:
    """The last few examinations. For one thread.

    Args:
        kept: How many.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._known: OrderedDict[bytes, Remembered] = OrderedDict()

    def find(self, key: bytes) -> Remembered | None:
        """What was found under a key, or None."""
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
        return known

    def keep(self, key: bytes, found: Remembered) -> None:
        """Remember it unless it is large, and forget what was not asked for in the longest time."""
        if len(found.spec) > _LARGE:
            return
        self._known[key] = found
        if len(self._known) > self._kept:
            self._known.popitem(last=False)


def key_of(document: Mapping[str, Any], digest: str) -> bytes:
    """What stands for a document, without the fields that no check looks at, and for the catalogue."""
    seen = {name: value for name, value in document.items() if name not in _UNSEEN}
    training = seen.get("training")
    if isinstance(training, dict) and "seed" in training:
        seen["training"] = {**training, "seed": None}
    return marshal.dumps((digest, seen), _FORM)


def unseen_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What `key_of` leaves out, in a small spec: if it has the right shape, a remembered spec with it has, too."""
    unseen = {name: document[name] for name in _UNSEEN if name in document}
    training = document.get("training")
    seed = {"seed": training["seed"]} if isinstance(training, dict) and "seed" in training else {}
    return {**_ANY, **unseen, "training": seed}


def packed(spec: dict[str, Any]) -> bytes:
    """A normalised spec, for `unpacked`."""
    return marshal.dumps(spec, _FORM)


def unpacked(found: Remembered, **fields: Any) -> dict[str, Any]:
    """The normalised spec with these fields instead of those that it was remembered with."""
    spec: dict[str, Any] = marshal.loads(found.spec)  # noqa: S302 - our own bytes, never anybody else's
    return {**spec, **fields}
