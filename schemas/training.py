"""The job spec: what a client posts to have a model trained.

This is the shape only. Whether a layer exists and takes such a parameter is the catalogue's business
(`hornbeam.specs.checking`); whether the model can be built is the planner's.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from schemas.datasets import DatasetSpec
from schemas.models import Component, ComponentRef, LayerName, ModelSpec
from schemas.strict import Request

MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class TrainingSpec(Request):
    """How the model is trained."""

    epochs: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=10, description="Passes over the training data. 0: nothing is trained, the model is only measured."
    )
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=32, description="Rows in an optimizer step.")
    seed: Seed | None = Field(default=None, description="One is drawn, and returned, where it is left out.")
    shuffle: bool = Field(default=True, description="Draw a new order of the rows each epoch, from (seed, epoch).")
    class_weight: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        default=None,
        description="A class's weight in the loss, by class number; `balanced`: n / (classes * n of the class).",
    )
    dtype_policy: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        default="float32", description="Keras's dtype policy: a mixed one computes in 16 bits and keeps weights in 32."
    )
    deterministic: bool = Field(default=False, description="Operations that give the same bytes each time; slower.")
    max_seconds: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Stop with an error after this long; the service's limit where it is left out."
    )


class Keep(Request):
    """Which checkpoints stay in the store; a checkpoint may count as both."""

    best: Annotated[int, Field(ge=0, le=100)] = Field(default=1, description="This many of the best.")
    last: Annotated[int, Field(ge=1, le=100)] = Field(default=1, description="This many of the newest.")


class CheckpointPolicy(Request):
    """When to save a checkpoint and which to keep."""

    every_epochs: Annotated[int, Field(ge=1)] = Field(default=1, description="Save after each this many epochs.")
    monitor: str | None = Field(
        default=None, description="What `best` means; `val_loss` where there is validation, else `loss`."
    )
    mode: Literal["min", "max", "auto"] = Field(
        default="auto", description="Whether less or more of it is better; `auto` knows it by the metric."
    )
    keep: Keep = Field(default=Keep(), description="The rest is deleted as the training goes on.")


class Resources(Request):
    """What the job needs of a worker."""

    gpu: bool = Field(default=False, description="Run on a slot with a GPU only.")


_OF_COMPONENTS = ("type", "formula", "class_name", "config")


def _are_by_output(value: Any) -> str:
    """Whether metrics are given for each output. No output is called like a field of a component."""
    by_output = isinstance(value, dict) and value.keys().isdisjoint(_OF_COMPONENTS)
    return "each:output" if by_output else "one:output"


def _is_by_output(value: Any) -> str:
    """Whether losses are given for each output, of which there is one at least."""
    return _are_by_output(value) if value else "one:output"


MetricList = Annotated[list[ComponentRef], Field(max_length=32)]
Losses = Annotated[
    Annotated[ComponentRef, Tag("one:output")]
    | Annotated[dict[LayerName, ComponentRef], Field(min_length=1, max_length=64), Tag("each:output")],
    Discriminator(_is_by_output),
]
Metrics = Annotated[
    Annotated[MetricList, Tag("one:output")]
    | Annotated[dict[LayerName, MetricList], Field(max_length=64), Tag("each:output")],
    Discriminator(_are_by_output),
]


class JobSpec(Request):
    """Everything that a training job needs to know."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = (
        Field(default=None, description="For people; need not be unique.")
    )
    dataset: DatasetSpec | None = Field(
        default=None,
        description="The rows, and how they are split. Only a request that validates may leave it out: "
        "the model is then proven by itself.",
    )
    model: ModelSpec = Field(description="The architecture.")
    loss: Losses = Field(description="What the training makes small; one for each output where there are several.")
    loss_weights: dict[LayerName, Annotated[float, Field(ge=0)]] | None = Field(
        default=None, description="What each output's loss counts in the sum; 1 where it is left out."
    )
    optimizer: ComponentRef = Field(
        default=Component(type="Adam"), validate_default=False, description="How, with its learning rate or schedule."
    )
    metrics: Metrics = Field(
        default_factory=list, description="What is measured besides; a list for each output where there are several."
    )
    training: TrainingSpec = Field(default=TrainingSpec(), description="How long, in what steps, from which seed.")
    callbacks: Annotated[
        list[ComponentRef], Field(max_length=32, default_factory=list, description="What may act between epochs.")
    ]
    checkpoints: CheckpointPolicy = Field(default=CheckpointPolicy(), description="When to save, and what to keep.")
    resources: Resources = Field(default=Resources(), description="What the job needs of a worker.")
    priority: Annotated[int, Field(ge=-100, le=100)] = Field(default=0, description="Higher runs first.")
    metadata: Annotated[
        Metadata,
        Field(default_factory=dict, description="Up to 16 texts of yours, to find jobs by: keys to 64 characters."),
    ]
