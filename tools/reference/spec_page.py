"""docs/reference/spec.md, from the JSON Schema of `schemas.training.JobSpec`."""

from collections.abc import Iterator
from typing import Any

from schemas.training import JobSpec
from tools.reference.markdown import code, kind, note, table

_INTRODUCTION = """\
# The job spec

What `POST /v1/jobs` and `hornbeam submit` take: a JSON object, or the same as YAML for the command line. Unknown fields
are refused, with a suggestion. Every default that is filled in is returned in the job's `spec`.

```yaml
name: digits-lstm
dataset:
  source: {builtin: digits}
  validation: {fraction: 0.2, stratify: true}
model:
  layers:
    - {type: Reshape, target_shape: [8, 8]}
    - {type: LSTM, units: 10}
    - {type: Dropout, rate: 0.2}
    - {type: Dense, units: 10, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {type: Adam, learning_rate: {type: CosineDecay, initial_learning_rate: 0.003, decay_steps: 400}}
metrics: [accuracy]
training: {epochs: 10, batch_size: 32, seed: 7}
callbacks:
  - {type: EarlyStopping, monitor: val_loss, patience: 5, restore_best_weights: true}
checkpoints: {every_epochs: 1, monitor: val_loss, mode: min, keep: {best: 1, last: 2}}
metadata: {team: vision}
```

A component, be it a layer, a loss, an optimizer, a metric, a callback, a schedule, an initializer or the like, is its
type with its parameters beside it: `{type: Dropout, rate: 0.2}`. Where it needs no parameters its name is enough:
`adam`. Types and parameters are Keras's own; `GET /v1/components` lists them with their defaults, and
`hornbeam catalog` does so in a terminal. `GET /v1/schemas/job.json` is the schema for an editor.
"""

_ORDER = (
    "DatasetSpec",
    "BuiltinSource",
    "StoredSource",
    "SyntheticSource",
    "Synthetic",
    "TargetColumns",
    "Window",
    "FractionSplit",
    "ColumnSplit",
    "OtherSplit",
    "LayersModel",
    "LayerSpec",
    "InputSpec",
    "ApplicationModel",
    "KerasJsonModel",
    "CheckpointWeights",
    "ModelWeights",
    "Component",
    "TrainingSpec",
    "CheckpointPolicy",
    "Keep",
    "Resources",
)
_INLINE = frozenset({"BuiltinDataset", "JsonValue"})
"""What is said where it is used, instead of in a section."""


def render() -> str:
    """The page."""
    schema = JobSpec.model_json_schema()
    models = schema["$defs"]
    if missing := models.keys() - {*_ORDER, *_INLINE}:
        raise ValueError(f"where in the page do these stand: {sorted(missing)}?")
    parts = [
        note("`schemas/training.py`, `schemas/models.py` and `schemas/datasets.py`"),
        "",
        _INTRODUCTION,
        _section("JobSpec", schema, models),
    ]
    parts += [_section(name, models[name], models) for name in _ORDER]
    return "\n".join(parts)


def _section(name: str, schema: dict[str, Any], models: dict[str, Any]) -> str:
    fields = table(("field", "type", "default", "meaning"), _rows(schema, models))
    more = "\nAny other field is a parameter of the type, as the catalogue lists it.\n" if _is_open(schema) else ""
    summary = schema["description"].split("\n")[0]
    return f"## {name}\n\n{summary}\n\n{fields}\n{more}"


def _rows(schema: dict[str, Any], models: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        default = "**required**" if name in required else _default(field, models)
        target = models.get(field.get("$ref", "").rpartition("/")[2], {})
        said = field.get("description") or target.get("description", "")
        yield f"`{name}`", _kind(field, models), default, said.split("\n")[0]


def _kind(field: dict[str, Any], models: dict[str, Any]) -> str:
    name = field.get("$ref", "").rpartition("/")[2]
    return kind(models[name] if name in _INLINE else field).removesuffix(" or null")


def _default(field: dict[str, Any], models: dict[str, Any]) -> str:
    """Nothing where the default is a model's own: its section says it."""
    if "default" not in field:
        is_list = any(option.get("type") == "array" for option in field.get("oneOf", [field]))
        return "`[]`" if is_list else "`{}`"
    return (
        "" if field["default"] is None or field.get("$ref", "").rpartition("/")[2] in models else code(field["default"])
    )


def _is_open(schema: dict[str, Any]) -> bool:
    return isinstance(schema.get("additionalProperties"), dict)
