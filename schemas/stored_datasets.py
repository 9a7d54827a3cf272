"""Datasets that clients bring: the resource, its columns, how a file is to be read, and uploads in parts.

Leaves what a job makes of a dataset to `schemas.datasets`, which is part of the job spec.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from schemas.datasets import ColumnName
from schemas.problems import Finding
from schemas.strict import JsonObject, MetricValue, Request, Response, Timestamp
from schemas.training import Metadata


class DatasetFormat(StrEnum):
    """What a file is."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    NPZ = "npz"
    NPY = "npy"
    IMAGES = "images"
    """A ZIP or TAR of images: one directory a class, or a CSV of labels beside them."""
    TEXTS = "texts"
    """A ZIP or TAR of text files: one directory a class."""
    TFRECORD = "tfrecord"


class ColumnKind(StrEnum):
    """What the values of a column mean."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    """Text with few different values: names of classes."""
    TEXT = "text"
    DATETIME = "datetime"
    ARRAY = "array"
    """Numbers of a fixed shape."""
    IMAGE = "image"
    """Encoded as JPEG, PNG, BMP, GIF or WebP."""


DatasetName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f/]+$")]


class RecordFeature(Request):
    """One feature of the examples in a TFRecord file."""

    dtype: Literal["float32", "int64", "string", "image"] = Field(
        description="`image`: the bytes of an encoded image; `string`: text in UTF-8."
    )
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=8)] = Field(
        default_factory=list, description="Of one example; a single value where it is left out."
    )


class ReadingOptions(Request):
    """How a file is to be read, as far as it does not say so itself."""

    format: Annotated[DatasetFormat, Field(strict=False)] | None = Field(
        default=None, description="Known by the name, the content type and the first bytes where it is left out."
    )
    header: bool | None = Field(
        default=None, description="Whether the first line of a CSV file names the columns; guessed where left out."
    )
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = Field(
        default=None, description="What stands between the values of a CSV file; guessed where it is left out."
    )
    missing: Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=32)] | None = Field(
        default=None, description="What means that a value is missing; the empty text, NA, NaN, null where left out."
    )
    kinds: dict[ColumnName, Annotated[ColumnKind, Field(strict=False)]] = Field(
        default_factory=dict, description="What columns mean, where it is not what was guessed: `{zip: category}`."
    )
    record_features: Annotated[dict[ColumnName, RecordFeature], Field(max_length=256)] = Field(
        default_factory=dict, description="What the examples of a TFRecord file hold."
    )


class ValueCount(Response):
    """One of the few values that a column has."""

    value: str | int | float | bool
    count: int


class Column(Response):
    """A column of a dataset, as it was found."""

    name: str
    kind: ColumnKind
    dtype: str = Field(description="As Arrow names it: `int64`, `double`, `string`, `uint8`, `timestamp[us]`, ...")
    shape: list[int | None] = Field(
        default_factory=list,
        description="Of one value: empty for a single one; null where it varies, as the height of images does.",
    )
    missing: int = Field(default=0, description="Rows that have no value here.")
    first_missing: int | None = Field(default=None, description="The number of the first such row, from 1.")
    distinct: int | None = Field(default=None, description="How many different values; null: more than are counted.")
    values: list[ValueCount] | None = Field(
        default=None, description="All values, sorted, with how often each is there; null where there are many."
    )
    minimum: MetricValue | None = Field(default=None, description="Numbers, and lengths of text in characters.")
    maximum: MetricValue | None = None
    mean: MetricValue | None = None
    standard_deviation: MetricValue | None = None
    sha256: str = Field(description="Over the values: the same for the same values in the same order.")


class Dataset(Response):
    """A dataset that was brought, whole and checked: there are no others."""

    id: str
    name: str
    format: DatasetFormat
    created_at: Timestamp
    size_bytes: int = Field(description="Of the file as it was sent.")
    sha256: str = Field(description="Of the file as it was sent.")
    rows: int
    columns: list[Column]
    target: str | None = Field(description="The column that a model would most likely predict, as a proposal.")
    options: JsonObject = Field(description="How the file was read, with what was found out about it filled in.")
    findings: list[Finding] = Field(description="What deserves a look: constant columns, duplicate rows, imbalance.")
    metadata: dict[str, str]
    links: dict[str, str]


class DatasetPage(Response):
    """Some datasets of a list."""

    data: list[Dataset]
    has_more: bool
    next: str | None = None


class BuiltinColumn(Response):
    """A column of a dataset that ships with the service."""

    name: str
    kind: ColumnKind
    dtype: str
    classes: list[str] | None = Field(default=None, description="Label `i` means the class at place `i`.")


class BuiltinTable(Response):
    """A dataset that ships with the service: a spec names it, and nobody brings, changes or deletes it."""

    name: str
    description: str
    task: Literal["classification", "regression"]
    source: dict[str, str] = Field(description="What to write as `dataset.source`.")
    rows: int
    feature_shape: list[int] = Field(description="Of one example.")
    columns: list[BuiltinColumn]
    target: str


class BuiltinPage(Response):
    """All datasets that ship with the service."""

    data: list[BuiltinTable]
    has_more: bool = False
    next: str | None = None


class RowPage(Response):
    """Some rows of a dataset, to look at."""

    columns: list[str]
    data: list[list[Any]] = Field(description="A list for each row; images and long arrays are told in words.")
    has_more: bool = Field(description="Whether there are more rows to look at; only the first hundred are.")


class Statistics(Response):
    """What is known about the values of a dataset."""

    rows: int
    columns: list[Column]


class DatasetChange(Request):
    """What may be changed about a dataset: another reading makes it a new table under the same id."""

    name: DatasetName | None = None
    options: ReadingOptions | None = Field(default=None, description="Replaces what was given before.")
    metadata: Metadata | None = None


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SourceRequest(Request):
    """A file that lies elsewhere, for the service to fetch."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(
        description="`https://host/path` or `s3://bucket/key`: a host or bucket that the service's operator lists."
    )
    name: DatasetName | None = Field(
        default=None, description="Its ending tells the format; the last part of the URL's path where it is left out."
    )
    options: ReadingOptions = Field(default=ReadingOptions(), description="How it is to be read.")
    metadata: Metadata = Field(default_factory=dict)
    sha256: Sha256 | None = Field(default=None, description="Checked when all of it has come.")


class UploadRequest(Request):
    """A file that will come in parts."""

    name: DatasetName = Field(description="The file's name: its ending tells the format.")
    options: ReadingOptions = Field(default=ReadingOptions(), description="How it is to be read.")
    metadata: Metadata = Field(default_factory=dict)
    size_bytes: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Checked when it is complete.")
    sha256: Sha256 | None = Field(default=None, description="Checked when it is complete.")


class UploadPart(Response):
    """A part that has arrived whole."""

    number: int
    size_bytes: int
    sha256: str


class Upload(Response):
    """A file that comes in parts: what has arrived so far."""

    id: str
    name: str
    created_at: Timestamp
    expires_at: Timestamp = Field(description="Then it is removed, unless another part has come meanwhile.")
    parts: list[UploadPart]
    size_bytes: int = Field(description="Of all parts so far.")
    links: dict[str, str]
