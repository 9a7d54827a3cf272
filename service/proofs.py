"""Asks the planner for proofs, and keeps the answers: who sends an architecture again does not wait for it again."""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from hornbeam.queue.base import UNPROVEN, Planner, ProofAnswer
from schemas.problems import Finding, Severity

_KEPT = 256
_KEPT_SECONDS = 600.0
"""Then it is asked for again: the planners may be of another version by now."""

DEFERRED = Finding(
    severity=Severity.INFO,
    pointer="",
    code=UNPROVEN,
    message="No planner answered in time: the worker proves the spec before it trains.",
)
"""Goes with a job that was accepted unproven; the worker looks for its code."""


class Proofs:
    """Proofs by what they depend on. For one event loop."""

    def __init__(self, planner: Planner, *, timeout: float) -> None:
        self._planner = planner
        self._timeout = timeout
        self._answers: OrderedDict[str, tuple[float, ProofAnswer]] = OrderedDict()

    async def of(self, spec: Mapping[str, Any]) -> ProofAnswer | None:
        """The proof of a normalised spec, or None when no planner answers in time."""
        digest = proof_digest(spec)
        known = self._answers.get(digest)
        if known is not None and time.monotonic() - known[0] < _KEPT_SECONDS:
            self._answers.move_to_end(digest)
            return known[1]
        answer = await self._planner.prove(spec, timeout=self._timeout)
        if answer is not None:
            self._answers[digest] = time.monotonic(), answer
            self._answers.move_to_end(digest)
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        return answer


def proof_digest(spec: Mapping[str, Any]) -> str:
    """Stands for all of a normalised spec but what no proof looks at: names, notes, priority, and drawn seeds."""
    dataset = dict(spec["dataset"])
    if dataset["validation"] is not None:
        dataset["validation"] = {**dataset["validation"], "seed": None}
    looked_at = {
        **spec,
        "dataset": dataset,
        "training": {**spec["training"], "seed": None},
        **dict.fromkeys(("name", "metadata", "priority")),
    }
    return hashlib.sha256(json.dumps(looked_at, sort_keys=True).encode()).hexdigest()
