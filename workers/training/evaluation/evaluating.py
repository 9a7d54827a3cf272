"""The evaluation of a finished model on one part of the data, and the files that tell of it.

It is the test rows that count; where a job holds none back, the validation rows stand in. Leaves loss and metrics to
the engine, and storing files to whoever writes artifacts.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hornbeam.datasets.labels import LabelKind
from hornbeam.specs.outputs import output_names
from schemas.checkpoints import ArtifactKind
from workers.training.build import model_outputs
from workers.training.columns import Array
from workers.training.data import Rows
from workers.training.ends import End, ends
from workers.training.evaluation import confusion, pictures
from workers.training.evaluation.measuring import labels_for, predictions
from workers.training.evaluation.reports import Report, plain, report_on
from workers.training.evaluation.tasks import Task, task_of

FORMAT = 1
_ONLY = "output"
"""What the only output is called where the model gives it no name."""
_COUNTED = ("found", "missed", "false alarm", "rightly not")


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that a model is measured on."""

    name: str
    """`test` or `validation`."""
    rows: Rows
    metrics: Mapping[str, float]
    """The loss and metrics over them."""


@dataclass(frozen=True, slots=True)
class File:
    """An artifact that is yet to be written."""

    name: str
    kind: ArtifactKind
    media_type: str
    write: Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Measured:
    """One output: its report, and what its picture is drawn of."""

    name: str
    task: Task
    report: Report
    true: Array
    kept: Array | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model is worth on a part of the data."""

    part: Part
    outputs: Sequence[Measured]

    def files(self, job_id: str, title: str) -> Iterator[File]:
        """The JSON, and the pictures.

        Args:
            job_id: The job.
            title: What stands above the pictures.
        """
        content = self.as_json(job_id)
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        write: Callable[[Path], object] = partial(_write_text, text)
        yield File("evaluation.json", ArtifactKind.EVALUATION, "application/json", write)
        for measured in self.outputs:
            own = f"-{measured.name}" if len(self.outputs) > 1 else ""
            for name, draw in _pictures(measured, title, self.part.name):
                yield File(f"{name}{own}.png", ArtifactKind.EVALUATION, "image/png", draw)

    def as_json(self, job_id: str) -> dict[str, Any]:
        """The evaluation as a document."""
        return {
            "format": FORMAT,
            "job_id": job_id,
            "part": self.part.name,
            "rows": len(self.part.rows),
            "metrics": plain(self.part.metrics),
            "outputs": {measured.name: measured.report for measured in self.outputs},
        }


def evaluate(model: Any, spec: Mapping[str, Any], part: Part, is_stopping: Callable[[], bool]) -> Evaluation:
    """Measure each output of a model. Raises StopRequested.

    Args:
        model: Trained.
        spec: The normalised spec that it was made from.
        part: What it is measured on.
        is_stopping: Asked before each batch.
    """
    outputs = model_outputs(model, output_names(spec["model"]))
    found = list(ends(spec))
    tasks = [task_of(end, tuple((outputs[end.name] if end.name else outputs).shape)) for end in found]
    kept = predictions(model, part.rows, tasks, spec["training"]["batch_size"], is_stopping)
    numbers = part.rows.numbers if part.rows.numbers is not None else np.arange(len(part.rows))
    measured = []
    for end, task in zip(found, tasks, strict=True):
        true, mine = labels_for(task, part.rows), kept.get(task.output)
        measured.append(Measured(_name(end, spec), task, report_on(task, true, mine, numbers), true, mine))
    return Evaluation(part, measured)


def class_names(spec: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What the numbers of classes stand for, by output; the columns, where several may be true at once."""
    names: dict[str, list[Any]] = {}
    for end in ends(spec):
        if end.labels is not None and end.labels.classes is not None:
            names[_name(end, spec)] = list(end.labels.classes)
        elif end.labels is not None and end.labels.kind is LabelKind.MULTI_LABEL:
            names[_name(end, spec)] = list(end.labels.columns)
    return names


def _name(end: End, spec: Mapping[str, Any]) -> str:
    return end.name or next(iter(spec["model"].get("outputs") or ()), _ONLY)


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, "utf-8")


def _pictures(measured: Measured, title: str, part: str) -> Iterator[tuple[str, Callable[[Path], object]]]:
    report, title = measured.report, f"{title}: {part} rows"
    if report["kind"] == "classes" and report["rows"]:
        counts, names = np.array(report["confusion"]), [str(name) for name in report["classes"]]
        if len(names) > pictures.MOST_CLASSES:
            title = f"{title}, the {pictures.MOST_CLASSES} most confused of {len(names)} classes"
            chosen = confusion.most_confused(counts, pictures.MOST_CLASSES)
            counts, names = counts[np.ix_(chosen, chosen)], [names[number] for number in chosen]
        yield "confusion", lambda path: pictures.draw_confusion(counts, names, path, title=title)
    elif report["kind"] == "multi_label" and report["rows"]:
        yield "confusion", _label_counts(report, title)
    elif report["kind"] == "numbers" and measured.kept is not None:
        yield from _residuals(measured, measured.kept, title)


def _label_counts(report: Report, title: str) -> Callable[[Path], object]:
    """Of the labels with the most mistakes: how often each was found, missed, and seen where it is not."""
    labels = sorted(report["per_label"], key=lambda label: label["accuracy"])[: pictures.MOST_CLASSES]
    rows = [[label["confusion"][true][taken] for true, taken in ((1, 1), (1, 0), (0, 1), (0, 0))] for label in labels]
    names = ([str(label["label"]) for label in labels], _COUNTED)
    return lambda path: pictures.draw_counts(np.array(rows), names, path, title=title)


def _residuals(measured: Measured, kept: Array, title: str) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """A picture for each of the first columns."""
    targets = measured.report["targets"]
    each = len(targets) == kept.shape[1]
    for index, target in enumerate(targets[: pictures.MOST_TARGETS]):
        true, predicted = (part[:, index] if each else part.ravel() for part in (measured.true, kept))
        usable = np.isfinite(predicted)
        if usable.any():
            name = "residuals" if len(targets) == 1 else f"residuals-{index + 1}"
            own = f"{title}, {target['target']}" if len(targets) > 1 else title
            draw = partial(pictures.draw_residuals, true[usable], predicted[usable], title=own)
            yield name, draw
