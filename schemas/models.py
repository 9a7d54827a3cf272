"""The architecture part of a job spec: layers in order, layers that name their inputs, an application, or Keras's JSON.

This is the shape only. Which layers there are and what they take is the catalogue's business; how the layers of a
graph hang together is `hornbeam.specs.graphs`'s.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, JsonValue, StringConstraints, Tag

from schemas.strict import Request

LAYER_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
TENSOR_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,63}(:[0-9]{1,2})?$"
"""A layer or input, and which of its outputs where it has several: `encoder:1` is the second."""

LayerName = Annotated[str, StringConstraints(pattern=LAYER_NAME)]
TensorName = Annotated[str, StringConstraints(pattern=TENSOR_NAME)]
Size = Annotated[int, Field(ge=1)]
Shape = Annotated[list[Size], Field(min_length=1, max_length=8)]
VariableShape = Annotated[list[Size | None], Field(min_length=1, max_length=8)]


class Component(Request):
    """A loss, layer, optimizer … by its type, its parameters beside it: `{type: Dropout, rate: 0.2}`.

    The parameters are whatever the catalogue lists for that type; they are kept in `model_extra`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    type: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="A name of the catalogue: Keras's own, or `hornbeam>Name`."
    )

    @property
    def parameters(self) -> dict[str, JsonValue]:
        """The parameters as the client gave them."""
        return self.__pydantic_extra__ or {}


class LayerSpec(Request):
    """One layer of a model: a `type` with its parameters beside it, a whole `model`, or an earlier layer `shared`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    type: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None, description="A name of the catalogue: Keras's own, or `hornbeam>Name`."
    )
    model: "ModelSpec | None" = Field(default=None, description="A model that stands here as one layer.")
    shared: LayerName | None = Field(
        default=None, description="The name of an earlier layer, which is called again here with the same weights."
    )
    name: LayerName | None = Field(
        default=None, description="Unique in the model; made from the type, as Keras does, where it is left out."
    )
    trainable: bool = Field(default=True, description="Whether the training changes the layer's weights.")
    inputs: list[TensorName] | dict[str, TensorName | list[TensorName]] | None = Field(
        default=None,
        description="What it is called on: names of inputs and layers, or one for each argument of its call. "
        "The layer before it where it is left out.",
    )
    call: dict[Literal["training", "use_causal_mask"], bool] | None = Field(
        default=None, description="Fixed arguments of its call: `{training: false}` keeps a frozen layer's statistics."
    )


FORMULA = "Formula"
"""The type of a component that is given as a formula."""


def spelled_out(value: Any) -> Any:
    """A component with its type: `"adam"` means `{"type": "adam"}`, and `{"formula": "…"}` needs none."""
    if isinstance(value, dict) and "formula" in value and value.get("type") is None:
        return {**value, "type": FORMULA}
    return {"type": value} if isinstance(value, str) else value


ComponentRef = Annotated[Component, BeforeValidator(spelled_out, json_schema_input_type=str | Component)]
LayerRef = Annotated[LayerSpec, BeforeValidator(spelled_out, json_schema_input_type=str | LayerSpec)]


class InputSpec(Request):
    """One input of a model."""

    shape: VariableShape | None = Field(
        default=None,
        description="The shape of one example, without the batch, null for a size that varies; the dataset's where it "
        "is left out.",
    )
    dtype: Literal["float32", "int32", "int64", "string"] | None = Field(
        default=None, description="What its numbers are, or that it takes text; as the dataset has it where left out."
    )


class _Weights(Request):
    layers: Annotated[list[LayerName], Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="Only these layers, by name; all layers, which must match, where it is left out."
    )


class CheckpointWeights(_Weights):
    """Weights to begin with, from a checkpoint of another job: transfer learning."""

    checkpoint: Annotated[str, StringConstraints(pattern=r"^ckpt_[0-9A-Za-z]{1,40}$")] = Field(
        description="The id of a checkpoint."
    )


class ModelWeights(_Weights):
    """Weights to begin with, those of the finished model of another job."""

    job: Annotated[str, StringConstraints(pattern=r"^job_[0-9A-Za-z]{1,40}$")] = Field(
        description="The id of a job that has succeeded."
    )


def _kind_of_weights(value: Any) -> str:
    has_job = "job" in value if isinstance(value, dict) else hasattr(value, "job")
    return "job:form" if has_job else "checkpoint:form"


StartingWeights = Annotated[
    Annotated[CheckpointWeights, Tag("checkpoint:form")] | Annotated[ModelWeights, Tag("job:form")],
    Discriminator(_kind_of_weights),
]


class _Model(Request):
    initial_weights: StartingWeights | None = Field(
        default=None, description="Weights to begin with; drawn by the initializers where it is left out."
    )


class LayersModel(_Model):
    """Layers in order, or with `inputs` that say what each is called on, as Keras's functional API does."""

    layers: Annotated[list[LayerRef], Field(min_length=1, max_length=1000, description="In order, from the input on.")]
    input_shape: Shape | None = Field(default=None, description="The shape of one example, without the batch.")
    inputs: Annotated[dict[LayerName, InputSpec], Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="The model's inputs by name, where it has several, or layers name theirs."
    )
    outputs: (
        Annotated[list[TensorName], Field(min_length=1, max_length=64)]
        | Annotated[dict[LayerName, TensorName], Field(min_length=1, max_length=64)]
        | None
    ) = Field(default=None, description="The layers whose outputs are the model's; the last one where left out.")


class ApplicationModel(_Model):
    """An architecture of `keras.applications`, its parameters beside its name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    application: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="Its name: MobileNetV3Small. Weights are always drawn: `weights` may only be null."
    )


class KerasJsonModel(_Model):
    """What `model.to_json()` wrote, as an object or as the text itself. It is translated layer by layer."""

    keras_json: dict[str, JsonValue] | Annotated[str, StringConstraints(max_length=2**20)] = Field(
        description="The architecture in Keras's own JSON."
    )


def _kind_of_model(value: Any) -> str:
    """Which form of model is meant. The tags can't be confused with fields."""
    fields = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    if "application" in fields:
        return "model:application"
    return "model:keras_json" if "keras_json" in fields else "model:layers"


ModelSpec = Annotated[
    Annotated[LayersModel, Tag("model:layers")]
    | Annotated[ApplicationModel, Tag("model:application")]
    | Annotated[KerasJsonModel, Tag("model:keras_json")],
    Discriminator(_kind_of_model),
]

LayerSpec.model_rebuild()
LayersModel.model_rebuild()
