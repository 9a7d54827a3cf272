"""The dataset part of a job spec: where rows come from and how they are split.

Leaves reading the rows to `workers.training.data`.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, StringConstraints, Tag

from schemas.models import ComponentRef
from schemas.strict import Request


class BuiltinDataset(StrEnum):
    """The small real datasets that ship with the service (scikit-learn's)."""

    DIGITS = "digits"
    IRIS = "iris"
    WINE = "wine"
    BREAST_CANCER = "breast_cancer"
    DIABETES = "diabetes"


ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Columns = Annotated[list[ColumnName], Field(min_length=1, max_length=10_000)]
DatasetId = Annotated[str, StringConstraints(pattern=r"^ds_[0-9A-Z]{26}$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class BuiltinSource(Request):
    """A dataset that ships with the service."""

    builtin: Annotated[BuiltinDataset, Field(strict=False, description="A dataset that ships with the service.")]


class StoredSource(Request):
    """A dataset that a client has brought."""

    id: DatasetId = Field(description="Of `/v1/datasets`.")


class Synthetic(Request):
    """Rows that are drawn by chance, to try a service or a model out: columns `x0`, `x1`, ... and `label`."""

    task: Literal["classification", "regression"] = Field(
        default="classification", description="Whether the label is a class, or a number that depends on the columns."
    )
    rows: Annotated[int, Field(ge=10, le=100_000_000)] = Field(description="How many.")
    columns: Annotated[int, Field(ge=1, le=10_000)] = Field(description="Numbers in each row.")
    classes: Annotated[int, Field(ge=2, le=1000)] = Field(default=2, description="For classification.")
    noise: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.1, description="Standard deviation of what no model can know."
    )
    seed: Seed = Field(default=0, description="Equal seeds give equal rows.")


class SyntheticSource(Request):
    """Rows that the service draws itself."""

    synthetic: Synthetic = Field(description="What they are like.")


def _form_of(*fields: str) -> Discriminator:
    """Tells forms apart by a field that only one of them has; without any it is the last."""

    def form(value: Any) -> str:
        present = (name for name in fields if (name in value if isinstance(value, dict) else hasattr(value, name)))
        return f"{next(present, fields[-1])}:form"

    return Discriminator(form)


DatasetSource = Annotated[
    Annotated[BuiltinSource, Tag("builtin:form")]
    | Annotated[StoredSource, Tag("id:form")]
    | Annotated[SyntheticSource, Tag("synthetic:form")],
    _form_of("id", "synthetic", "builtin"),
]


class FractionSplit(Request):
    """Rows drawn from the dataset by chance."""

    fraction: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.2, description="Of all rows.")
    stratify: bool = Field(default=False, description="Keep the proportions of the classes in both parts.")
    group: ColumnName | None = Field(
        default=None, description="Rows with the same value in this column stay together: the same patient, say."
    )
    time: ColumnName | None = Field(
        default=None, description="Take the rows that are last by this column, instead of any."
    )
    seed: Seed | None = Field(default=None, description="Seed of the split; the training seed where it is left out.")


class ColumnSplit(Request):
    """Rows that a column marks."""

    column: ColumnName = Field(description="The column that says which part a row belongs to.")
    value: bool | int | str = Field(description="What it says of the rows of this part.")


class OtherSplit(Request):
    """The rows of another dataset, with the same columns."""

    source: DatasetSource = Field(description="Where they are.")


Split = Annotated[
    Annotated[FractionSplit, Tag("fraction:form")]
    | Annotated[ColumnSplit, Tag("column:form")]
    | Annotated[OtherSplit, Tag("source:form")],
    _form_of("column", "source", "fraction"),
]


TargetKind = Literal["classes", "one_hot", "multi_label", "numbers"]
_KINDS = get_args(TargetKind)


class TargetColumns(Request):
    """Columns that an output is to predict."""

    columns: Columns = Field(description="Names of columns.")
    kind: TargetKind | None = Field(
        default=None,
        description="`classes`: the number of each value among the column's values; `one_hot`: 1 in that place; "
        "`multi_label`: each column is 0 or 1 by itself; `numbers`: what is there. By the columns where left out.",
    )


Target = ColumnName | TargetColumns


def _target_form(value: Any) -> str:
    if isinstance(value, str) or (isinstance(value, list) and len(value) == 1):
        return "column:form"
    if isinstance(value, TargetColumns) or (isinstance(value, dict) and _is_of_columns(value)):
        return "columns:form"
    return "each:form"


def _is_of_columns(target: dict[Any, Any]) -> bool:
    """Whether it is meant to be `TargetColumns`, and not a target for each output: with a typo, too."""
    if "columns" in target:
        return True
    names_columns = "column" in target or any(isinstance(value, list) for value in target.values())
    return target.get("kind") in _KINDS and names_columns


Targets = Annotated[
    Annotated[ColumnName, Tag("column:form")]
    | Annotated[TargetColumns, Tag("columns:form")]
    | Annotated[dict[str, Target], Field(min_length=1, max_length=64), Tag("each:form")],
    Discriminator(_target_form),
]


def _features_form(value: Any) -> str:
    return "each:form" if isinstance(value, dict) else "list:form"


Features = Annotated[
    Annotated[Columns, Tag("list:form")]
    | Annotated[dict[str, Columns], Field(min_length=1, max_length=64), Tag("each:form")],
    Discriminator(_features_form),
]


class Window(Request):
    """Rows that follow each other are taken together: a time series, in the order of the dataset."""

    length: Annotated[int, Field(ge=1, le=100_000)] = Field(description="Rows that go into the model at once.")
    stride: Annotated[int, Field(ge=1, le=100_000)] = Field(default=1, description="Rows from one window to the next.")
    horizon: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=1, description="How many rows after a window's last the target is; 0: its own."
    )


def _preprocess_form(value: Any) -> str:
    return "auto:form" if isinstance(value, str) else "each:form"


Chain = Annotated[
    Annotated[Literal["auto"], Tag("auto:form")]
    | Annotated[list[ComponentRef], Field(max_length=16), Tag("each:form")],
    Discriminator(_preprocess_form),
]
Preprocess = Annotated[
    Annotated[Literal["auto"], Tag("auto:form")]
    | Annotated[dict[ColumnName, Chain], Field(max_length=10_000), Tag("each:form")],
    Discriminator(_preprocess_form),
]


class DatasetSpec(Request):
    """The data of a job."""

    source: DatasetSource = Field(description="Where the rows come from.")
    features: Features | None = Field(
        default=None,
        description="The columns that go into the model, or a list for each of its inputs; all but the target where "
        "it is left out.",
    )
    target: Targets | None = Field(
        default=None,
        description="The column to predict, or what each of the model's outputs is to predict; `label` where left out.",
    )
    window: Window | None = Field(default=None, description="Train on windows of a time series instead of single rows.")
    validation: Split | None = Field(
        default=None, description="The rows held back; none where it is left out, and then nothing is validated."
    )
    test: Split | None = Field(
        default=None, description="Rows that the training never sees; the finished model is evaluated on them."
    )
    preprocess: Preprocess | None = Field(
        default=None,
        description="Layers that each column goes through before it goes into the model, fitted on the training rows "
        "and saved in the model; `auto`: what is usual for a column of its kind.",
    )
    augment: Annotated[list[ComponentRef], Field(max_length=16)] = Field(
        default_factory=list,
        description="Layers that change what the model is trained on, and nothing else: `RandomFlip`, `GaussianNoise`. "
        "They become the first layers of the model.",
    )
    weights: ColumnName | None = Field(default=None, description="A column with each row's weight in the loss.")
