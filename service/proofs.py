"""Asks the planner for proofs, and keeps the answers: who sends an architecture again does not wait for it again.

Who sends one that somebody else is just asking for waits for the same answer.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from hornbeam.queue.base import UNPROVEN, Planner, ProofAnswer
from hornbeam.queue.circuit import Circuit
from schemas.problems import Finding, Severity

_KEPT = 256
_KEPT_SECONDS = 600.0
"""Then it is asked for again: the planners may be of another version by now."""

_AT_ONCE_SECONDS = 0.1
"""Who gets no answer so soon was told that there is no planner, and need not ask again for a second."""

DEFERRED = Finding(
    severity=Severity.INFO,
    pointer="",
    code=UNPROVEN,
    message="No planner has proven the spec in time: the worker does before it trains.",
)
"""Goes with a job that was accepted unproven; the worker looks for its code."""


class Proofs:
    """Proofs by what they depend on. For one event loop."""

    def __init__(self, planner: Planner, *, timeout: float) -> None:
        self._planner = planner
        self._timeout = timeout
        self._is_alone = Circuit()
        self._answers: OrderedDict[str, tuple[float, ProofAnswer]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[ProofAnswer | None]] = {}

    async def of(self, spec: Mapping[str, Any]) -> ProofAnswer | None:
        """The proof of a normalised spec, or None when no planner answers in time."""
        if self._is_alone.is_open and not self._answers:
            return None
        digest = proof_digest(spec)
        known = self._answers.get(digest)
        if known is not None and time.monotonic() - known[0] < _KEPT_SECONDS:
            self._answers.move_to_end(digest)
            return known[1]
        if digest not in self._asking:
            if self._is_alone.is_open:
                return None
            self._asking[digest] = asyncio.create_task(self._ask(digest, spec))
        # Whoever asked first may go away: the others wait on, and the answer is kept.
        return await asyncio.shield(self._asking[digest])

    async def _ask(self, digest: str, spec: Mapping[str, Any]) -> ProofAnswer | None:
        try:
            return await self._answered(digest, spec)
        finally:
            del self._asking[digest]

    async def _answered(self, digest: str, spec: Mapping[str, Any]) -> ProofAnswer | None:
        asked_at = time.monotonic()
        answer = await self._planner.prove(spec, timeout=self._timeout)
        if answer is not None:
            if any(finding.code == UNPROVEN for finding in answer.findings):
                return None  # the planner does not know all that is in the spec
            self._keep(digest, answer)
        elif time.monotonic() - asked_at < _AT_ONCE_SECONDS:
            self._is_alone.failed()
        return answer

    def _keep(self, digest: str, answer: ProofAnswer) -> None:
        self._answers[digest] = time.monotonic(), answer
        self._answers.move_to_end(digest)
        if len(self._answers) > _KEPT:
            self._answers.popitem(last=False)


def proof_digest(spec: Mapping[str, Any]) -> str:
    """Stands for all of a normalised spec but what no proof looks at: names, notes, priority, and drawn seeds."""
    dataset = dict(spec["dataset"] or {})
    if dataset.get("validation") is not None:
        dataset["validation"] = {**dataset["validation"], "seed": None}
    looked_at = {
        **spec,
        "dataset": dataset,
        "training": {**spec["training"], "seed": None},
        **dict.fromkeys(("name", "metadata", "priority")),
    }
    # As fast as can be: another order of the same parameters only means another digest.
    return hashlib.blake2b(to_json(looked_at)).hexdigest()


def repointed(answer: ProofAnswer, pointers: Mapping[str, str]) -> ProofAnswer:
    """The answer with pointers into what was posted, where the model was translated from something else.

    Args:
        answer: With pointers into the normalised spec.
        pointers: Where its layers were posted.
    """
    if not pointers:
        return answer

    def posted(pointer: str) -> str:
        layer = "/".join(pointer.split("/")[:4])
        return pointers[layer] + pointer[len(layer) :] if layer in pointers else pointer

    findings = [finding.model_copy(update={"pointer": posted(finding.pointer)}) for finding in answer.findings]
    plan = answer.plan
    if plan is not None:
        layers = [layer.model_copy(update={"pointer": posted(layer.pointer)}) for layer in plan.layers]
        plan = plan.model_copy(update={"layers": layers})
    return answer.model_copy(update={"findings": findings, "plan": plan})
