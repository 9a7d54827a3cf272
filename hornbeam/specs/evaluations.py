"""From a finished job's spec to that of a job which measures its model on other rows, and trains nothing.

Works on normalised specs. Leaves checking what comes out to `hornbeam.specs.checking`, as with any spec.
"""

from collections.abc import Mapping
from typing import Any

from hornbeam.components.catalog import closest
from hornbeam.datasets.columns import default_features, other_names
from hornbeam.datasets.facts import DatasetFacts
from hornbeam.errors import InvalidSpec
from hornbeam.specs.findings import pointer
from hornbeam.specs.wording import quoted
from schemas.problems import Finding

_LONGEST_NAME = 128
_POSTED, _MEANT = "/dataset/source", "/dataset/test/source"


def source_in(document: Mapping[str, Any]) -> Any:
    """The source of the rows in a request's body. Raises InvalidSpec where it has another form."""
    dataset = _only(document, "dataset", "The request", ())
    if not isinstance(dataset, Mapping):
        message = "'dataset' must be an object with a source."
        raise InvalidSpec([Finding(pointer="/dataset", code="field.type", message=message)])
    return _only(dataset, "source", "'dataset'", ("dataset",))


def evaluation_spec(job_id: str, spec: Mapping[str, Any], facts: DatasetFacts | None, source: Any) -> dict[str, Any]:
    """The spec of the job that measures.

    Args:
        job_id: The job that trained the model.
        spec: Its normalised spec.
        facts: About its dataset; None where that is gone.
        source: Where the other rows come from, as it was posted.
    """
    training = {**spec["training"], "epochs": 0, "class_weight": None}
    model = {**spec["model"], "initial_weights": {"job": job_id, "layers": None}}
    kept = {name: value for name, value in spec.items() if name not in ("callbacks", "checkpoints")}
    return {
        **kept,
        "name": _name(spec["name"], source),
        "dataset": _dataset(spec["dataset"], facts, source),
        "model": model,
        "training": training,
    }


def repointed(error: InvalidSpec) -> InvalidSpec:
    """The refusal with pointers into what was posted, where they point at the source."""
    findings = [
        finding.model_copy(update={"pointer": _POSTED + finding.pointer.removeprefix(_MEANT)})
        if finding.pointer.startswith(_MEANT)
        else finding
        for finding in error.findings
    ]
    return InvalidSpec(findings, plan=error.plan)


def _dataset(dataset: Mapping[str, Any], facts: DatasetFacts | None, source: Any) -> dict[str, Any]:
    """The job's, all of whose rows are left alone: it says what the columns are for, and what classes there are."""
    features = dataset["features"]
    if features is None and facts is not None and any(True for _ in other_names(dataset)):
        # Columns that marked a part would go into the model, now that there is no such part.
        features = default_features(dataset, facts)
    return {**dataset, "features": features, "validation": None, "test": {"source": source}}


def _name(name: str | None, source: Any) -> str | None:
    if name is None or not isinstance(source, Mapping):
        return name
    where = source.get("id") or source.get("builtin") or next(iter(source), "other rows")
    return f"{name} on {where}"[:_LONGEST_NAME]


def _only(document: Mapping[str, Any], field: str, owner: str, path: tuple[str, ...]) -> Any:
    """The one field that an object may have, and has. Raises InvalidSpec."""
    findings = []
    for name in document:
        if name != field:
            near = f"Did you mean {field!r}?" if closest(name, [field]) else f"There is: {field}."
            message = f"{owner} has no field {quoted(name)}."
            findings.append(
                Finding(pointer=pointer(*path, name), code="field.unknown", message=message, suggestion=near)
            )
    if field not in document:
        message = f"{owner} needs a field {field!r}."
        findings.append(Finding(pointer=pointer(*path), code="field.missing", message=message))
    if findings:
        raise InvalidSpec(findings)
    return document[field]
