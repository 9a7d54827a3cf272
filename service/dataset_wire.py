"""Datasets and uploads in their wire form; and the datasets that ship with the service: facts without files."""

from datetime import timedelta

from hornbeam.datasets.builtin import BUILTIN, DatasetSchema
from hornbeam.datasets.record import DatasetRecord, PartRecord, UploadRecord
from schemas.datasets import BuiltinDataset
from schemas.stored_datasets import (
    BuiltinColumn,
    BuiltinPage,
    BuiltinTable,
    ColumnKind,
    Dataset,
    Upload,
    UploadPart,
)

DATASETS = "/v1/datasets"
UPLOADS = "/v1/uploads"


def dataset_path(dataset_id: str, *parts: str) -> str:
    """The address of a dataset, or of something below it."""
    return "/".join((DATASETS, dataset_id, *parts))


def upload_path(upload_id: str, *parts: str) -> str:
    """The address of an upload, or of something below it."""
    return "/".join((UPLOADS, upload_id, *parts))


def to_dataset(record: DatasetRecord) -> Dataset:
    """A dataset as clients see it."""
    return Dataset(
        id=record.id,
        name=record.name,
        format=record.format,
        created_at=record.created_at,
        size_bytes=record.size_bytes,
        sha256=record.sha256,
        rows=record.rows,
        columns=list(record.columns),
        target=record.target,
        options=record.options,
        findings=list(record.findings),
        metadata=record.metadata,
        links={
            "self": dataset_path(record.id),
            **{part: dataset_path(record.id, part) for part in ("rows", "statistics", "content")},
        },
    )


def to_part(record: PartRecord) -> UploadPart:
    """A part that has arrived."""
    return UploadPart(number=record.number, size_bytes=record.size_bytes, sha256=record.sha256)


def to_upload(record: UploadRecord, parts: list[PartRecord], *, patience: timedelta) -> Upload:
    """An upload as clients see it; `patience` is how long it waits for its next part."""
    here = upload_path(record.id)
    dataset = {"dataset": dataset_path(record.dataset_id)} if record.dataset_id else {}
    return Upload(
        id=record.id,
        name=record.name,
        created_at=record.created_at,
        expires_at=record.touched_at + patience,
        parts=[to_part(part) for part in parts],
        size_bytes=sum(part.size_bytes for part in parts),
        links={"self": here, "complete": f"{here}/complete", **dataset},
    )


def builtin_page() -> BuiltinPage:
    """The datasets that ship with the service."""
    return BuiltinPage(data=[_builtin(name, facts) for name, facts in BUILTIN.items()])


def _builtin(name: BuiltinDataset, facts: DatasetSchema) -> BuiltinTable:
    features = [BuiltinColumn(name=column, kind=ColumnKind.NUMBER, dtype="float") for column in facts.feature_names]
    if facts.classes is None:
        target = BuiltinColumn(name="target", kind=ColumnKind.NUMBER, dtype="float")
    else:
        target = BuiltinColumn(name="target", kind=ColumnKind.CATEGORY, dtype="int64", classes=list(facts.classes))
    return BuiltinTable(
        name=name.value,
        description=facts.description,
        task=facts.task,
        source={"builtin": name.value},
        rows=facts.rows,
        feature_shape=list(facts.feature_shape),
        columns=[*features, target],
        target="target",
    )
