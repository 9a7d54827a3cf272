"""A posted spec's way to a recorded job: parse, check, prove, record, wake a worker.

With an Idempotency-Key, whoever asks twice gets the first answer twice. Leaves HTTP to `service.routes.jobs`.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus

from hornbeam.components.catalog import CatalogueIndex
from hornbeam.datasets.facts import without_facts
from hornbeam.errors import DatasetNotFound, InvalidSpec, StoreUnavailable
from hornbeam.jobs.identifiers import new_job_id
from hornbeam.jobs.record import NewJob
from hornbeam.queue.base import ProofAnswer
from hornbeam.specs.checking import Checked, examine_body
from hornbeam.specs.data import dataset_ids
from hornbeam.specs.remembered import Memory
from hornbeam.specs.requirements import needed_components
from hornbeam.storage.base import StoredAnswer
from hornbeam.storage.dataset_facts import RecordedFacts
from schemas.jobs import Proof
from schemas.problems import Finding, Severity
from service.catalogues import Catalogues
from service.jobs import job_path, to_job
from service.parts import Parts
from service.proofs import DEFERRED, Proofs, repointed
from service.recording import Recorder
from service.starting_weights import Begun, find_source
from service.threads import Threads
from service.views import JobViews

_SMALL = 16_384
"""Bodies up to this size are checked in a millisecond or two, for which a thread is not worth its hop."""
_ABANDONED_SECONDS = 55.0
"""What a request may take at most beside the proof; a key reserved for longer belongs to one that died."""
_STORED = b'"ds_'
"""Begins the id of a dataset, for which the database has to be asked."""
_GONE = Finding(
    pointer="/dataset",
    code="dataset.not_found",
    message="A dataset that the spec names has just been deleted.",
    suggestion="GET /v1/datasets lists those that there are.",
)
REPLAYED = "Idempotent-Replayed"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a submission."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Submissions:
    """Takes specs in."""

    def __init__(
        self, parts: Parts, catalogues: Catalogues, threads: Threads, views: JobViews, recorder: Recorder
    ) -> None:
        self._settings = parts.settings
        self._catalogues = catalogues
        self._store = parts.store
        self._threads = threads
        self._views = views
        self._recorder = recorder
        self._memory = Memory()
        self._datasets = RecordedFacts(parts.store)
        self._proofs = Proofs(parts.planner, timeout=parts.settings.proof_seconds)

    async def submit(self, body: bytes, key: str | None = None) -> Answer:
        """Record a job, or replay the first answer that this key got.

        Raises InvalidSpec, KeyReused, KeyInFlight, StoreUnavailable.
        """
        if key is None:
            return await self._record(body, None)
        digest = hashlib.sha256(body).hexdigest()
        before = datetime.now(UTC) - timedelta(seconds=_ABANDONED_SECONDS + self._settings.proof_seconds)
        first = await self._threads.run(self._store.reserve_key, key, digest, abandoned_before=before)
        if first is not None:
            return await self._replay(first)
        try:
            answer = await self._record(body, key)
        except BaseException:
            await self._release(key)
            raise
        await self._keep(key, answer)
        return answer

    async def prove(self, body: bytes) -> Proof:
        """What a submission would find, recording nothing. Raises InvalidSpec."""
        begun, _ = await self._check(body, needs_dataset=False)
        answer, findings = await self._proven(begun)
        return Proof(
            valid=True,
            proven=answer is not None,
            spec=without_facts(begun.checked.spec),
            plan=answer.plan if answer else None,
            findings=findings,
        )

    async def _record(self, body: bytes, key: str | None) -> Answer:
        begun, catalogue = await self._check(body)
        _, findings = await self._proven(begun)
        job = _new_job(begun.checked, tuple(findings), needed_components(begun.question, catalogue))
        try:
            record, queue = await (self._recorder.record_with_key(job, key) if key else self._recorder.record(job))
        except DatasetNotFound:
            raise InvalidSpec([_GONE]) from None
        body = to_job(record, queue=queue).model_dump_json().encode()
        return Answer(HTTPStatus.ACCEPTED, body, {"Location": job_path(record.id), "Retry-After": "1"})

    async def _proven(self, begun: Begun) -> tuple[ProofAnswer | None, list[Finding]]:
        """The planner's answer, and the findings of both. Raises InvalidSpec when one of them is an error."""
        checked = begun.checked
        answer = await self._proofs.of(begun.question) if checked.is_provable else None
        if answer is not None:
            answer = repointed(answer, checked.pointers)
        findings = [*checked.findings, *(answer.findings if answer else [] if checked.has_errors else [DEFERRED])]
        if any(finding.severity is Severity.ERROR for finding in findings):
            plan = answer.plan.model_dump(mode="json") if answer and answer.plan else None
            raise InvalidSpec(findings, plan=plan)
        return answer, findings

    async def _check(self, body: bytes, *, needs_dataset: bool = True) -> tuple[Begun, CatalogueIndex]:
        """The examined spec, and the catalogue that it was checked against. Raises InvalidSpec, StoreUnavailable."""
        checked, catalogue = await self._check_spec(body, needs_dataset)
        if checked.spec["model"]["initial_weights"] is None:
            return Begun(checked), catalogue
        return await self._threads.run(find_source, checked, self._store), catalogue

    async def _check_spec(self, body: bytes, needs_dataset: bool) -> tuple[Checked, CatalogueIndex]:
        refused: InvalidSpec | None = None
        against = self._catalogues.index
        try:
            checked, catalogue = await self._check_against(against, body, needs_dataset)
            if not checked.has_errors:
                return checked, catalogue
        except InvalidSpec as error:
            refused = error
        # It may name what a worker has only just announced, and somebody else may have looked meanwhile.
        if await self._threads.run(self._catalogues.refresh) or self._catalogues.index is not against:
            return await self._check_against(self._catalogues.index, body, needs_dataset)
        if refused is not None:
            raise refused
        return checked, catalogue

    async def _check_against(
        self, catalogue: CatalogueIndex, body: bytes, needs_dataset: bool
    ) -> tuple[Checked, CatalogueIndex]:
        examine = partial(examine_body, body, catalogue, self._settings, needs_dataset=needs_dataset)
        if len(body) <= _SMALL and _STORED not in body:
            return examine(memory=self._memory), catalogue
        return await self._threads.run(examine, datasets=self._datasets), catalogue

    async def _replay(self, first: StoredAnswer) -> Answer:
        if first.body is not None:
            return Answer(first.status or HTTPStatus.ACCEPTED, first.body, {**first.headers, REPLAYED: "true"})
        # The first answer was lost on the way to the database. The job was not: it answers for itself.
        view = await self._views.get(first.job_id)
        headers = {"Location": job_path(first.job_id), "Retry-After": "1", REPLAYED: "true"}
        return Answer(HTTPStatus.ACCEPTED, view.body, headers)

    async def _release(self, key: str) -> None:
        try:
            await self._threads.run(self._store.release_key, key)
        except StoreUnavailable:
            _log.warning("An Idempotency-Key could not be released; it is free again in a minute.")

    async def _keep(self, key: str, answer: Answer) -> None:
        try:
            await self._threads.run(self._store.store_answer, key, answer.status, answer.headers, answer.body)
        except StoreUnavailable:
            _log.warning("An answer could not be kept; the job answers for itself when the key comes again.")


def _new_job(checked: Checked, findings: tuple[Finding, ...], components: tuple[str, ...]) -> NewJob:
    spec = without_facts(checked.spec)
    return NewJob(
        id=new_job_id(),
        spec=spec,
        created_at=datetime.now(UTC),
        name=spec["name"],
        metadata=spec["metadata"],
        findings=findings,
        priority=spec["priority"],
        needs_gpu=spec["resources"]["gpu"],
        needs_components=components,
        datasets=tuple(dataset_ids(spec["dataset"])),
    )
