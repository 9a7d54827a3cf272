"""Gets the datasets that clients brought to a trainer: facts into its spec, tables into its directory."""

from dataclasses import dataclass, field
from typing import Any

from hornbeam.datasets.facts import as_json, stored_parts, with_facts
from hornbeam.errors import ArtifactNotFound, DatasetNotFound
from hornbeam.storage.dataset_facts import facts_of_record
from schemas.jobs import ErrorLocation, ErrorOrigin, JobError
from workers.attempt import AttemptContext
from workers.preparation import CannotBegin


@dataclass(frozen=True, slots=True)
class BroughtData:
    """What an attempt needs of datasets."""

    spec: dict[str, Any]
    """The job's, with the facts about its datasets."""
    tables: dict[str, str] = field(default_factory=dict)
    """Paths by the datasets' ids."""


def bring_data(context: AttemptContext) -> BroughtData:
    """Fetch what the spec names. Raises CannotBegin when it is gone, StoreUnavailable, ArtifactStoreUnavailable."""
    spec, parts = context.claim.job.spec, context.parts
    facts: dict[str, dict[str, Any]] = {}
    tables: dict[str, str] = {}
    for where, part in stored_parts(spec["dataset"]):
        dataset_id = part["source"]["id"]
        path = context.workdir / f"{dataset_id}.arrow"
        try:
            if dataset_id not in tables:
                record = parts.store.get_dataset(dataset_id)
                parts.tables.place(record.table_key, record.table_sha256, path)
                tables[dataset_id], facts[dataset_id] = str(path), as_json(facts_of_record(record))
        except (DatasetNotFound, ArtifactNotFound) as error:
            raise CannotBegin(_gone(dataset_id, where)) from error
    return BroughtData(with_facts(spec, facts), tables)


def _gone(dataset_id: str, where: str) -> JobError:
    return JobError(
        origin=ErrorOrigin.DATA,
        code="data.dataset_gone",
        message=f"The dataset {dataset_id} is gone or damaged.",
        where=ErrorLocation(pointer=f"{where}/source/id"),
        suggestion="Bring the file again, and submit the job with the new dataset's id.",
    )
