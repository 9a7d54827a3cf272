"""What an output is worth, as JSON: the tables of its classes, or the residuals of its numbers.

Pure functions of NumPy arrays. Rows whose prediction is NaN or infinite are counted, and left out of the rest; a number
that nothing says is null.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from workers.training.columns import Array, Numbers
from workers.training.evaluation import confusion, ranking, residuals
from workers.training.evaluation.tasks import Task, TaskKind

WORST_ROWS = 20

Report = dict[str, Any]


def report_on(task: Task, true: Array, kept: Array | None, numbers: Numbers) -> Report:
    """Everything about one output.

    Args:
        task: What it is measured by.
        true: What it should have been, as `Task.truth` gives it.
        kept: What it was, as `Task.kept` gives it; None where nothing was kept.
        numbers: The row of the dataset that each label stands in, from 0.
    """
    if kept is None or task.kind is TaskKind.OTHER:
        return {"kind": TaskKind.OTHER.value, "target": list(task.columns)}
    if task.kind is TaskKind.NUMBERS:
        return {"kind": "numbers", "targets": _targets(task, true, kept, numbers)}
    if task.kind is TaskKind.MULTI_LABEL:
        return _labels(task, true > 0.5, kept)
    return _classes(task, true, kept)


def _classes(task: Task, true: Array, kept: Array) -> Report:
    is_scored = task.kind is TaskKind.TWO_CLASSES
    usable = np.isfinite(kept) if is_scored else kept >= 0
    true, kept = true[usable], kept[usable]
    predicted = (kept > task.threshold).astype(np.int32) if is_scored else kept
    counts = confusion.confusion(true, predicted, len(task.classes))
    report = {
        "kind": "classes",
        "target": task.columns[0],
        "classes": list(task.classes),
        "rows": len(true),
        "not_finite": int(np.count_nonzero(~usable)),
        "accuracy": _plain(confusion.accuracy(counts)),
        "confusion": counts.tolist(),
        "per_class": _per_class(task.classes, counts),
        "macro": _averages(confusion.macro(counts)),
        "weighted": _averages(confusion.weighted(counts)),
    }
    if is_scored:
        report |= {"positive": task.classes[1], **_ranked(true == 1, kept)}
    return report


def _per_class(names: Any, counts: confusion.Counts) -> list[dict[str, Any]]:
    each, support = confusion.scores(counts), counts.sum(axis=1)
    return [
        {
            "class": name,
            "precision": float(each.precision[index]),
            "recall": float(each.recall[index]),
            "f1": float(each.f1[index]),
            "support": int(support[index]),
        }
        for index, name in enumerate(names)
    ]


def _averages(scores: confusion.Scores) -> dict[str, float]:
    return {"precision": float(scores.precision), "recall": float(scores.recall), "f1": float(scores.f1)}


def _ranked(true: Array, scores: Array) -> dict[str, float | None]:
    return {
        "roc_auc": _plain(ranking.roc_auc(true, scores)),
        "average_precision": _plain(ranking.average_precision(true, scores)),
    }


def _labels(task: Task, true: Array, kept: Array) -> Report:
    """Each label is two classes by itself: it is there, or not."""
    usable = np.isfinite(kept).all(axis=1)
    true, kept = true[usable], kept[usable]
    predicted = kept > task.threshold
    each = [confusion.confusion(true[:, index], predicted[:, index], 2) for index in range(len(task.columns))]
    per_label = [
        {"label": name, **_label(counts), **_ranked(true[:, index], kept[:, index])}
        for index, (name, counts) in enumerate(zip(task.columns, each, strict=True))
    ]
    supports = np.array([label["support"] for label in per_label], np.float64)
    return {
        "kind": "multi_label",
        "labels": list(task.columns),
        "rows": len(true),
        "not_finite": int(np.count_nonzero(~usable)),
        "accuracy": _plain(float((predicted == true).all(axis=1).mean()) if len(true) else math.nan),
        "per_label": per_label,
        "macro": _mean_scores(per_label, np.ones(len(per_label))),
        "weighted": _mean_scores(per_label, supports),
    }


def _label(counts: confusion.Counts) -> dict[str, Any]:
    scores = confusion.scores(counts)
    return {
        "precision": float(scores.precision[1]),
        "recall": float(scores.recall[1]),
        "f1": float(scores.f1[1]),
        "support": int(counts[1].sum()),
        "accuracy": _plain(confusion.accuracy(counts)),
        "confusion": counts.tolist(),
    }


def _mean_scores(per_label: list[dict[str, Any]], weights: Array) -> dict[str, float]:
    total = max(float(weights.sum()), 1.0)
    names = ("precision", "recall", "f1")
    return {name: float(np.dot([label[name] for label in per_label], weights)) / total for name in names}


def _targets(task: Task, true: Array, kept: Array, numbers: Numbers) -> list[Report]:
    """A report for each column; one for all numbers of an array."""
    if len(task.columns) == true.shape[1]:
        names = enumerate(task.columns)
        return [_target(name, true[:, [index]], kept[:, [index]], numbers) for index, name in names]
    return [_target(task.columns[0], true, kept, numbers)]


def _target(name: str, true: Array, kept: Array, numbers: Numbers) -> Report:
    usable = np.isfinite(kept).all(axis=1)
    true, kept, numbers = true[usable], kept[usable], numbers[usable]
    found = residuals.statistics(true.ravel(), kept.ravel())
    shares = residuals.quantiles(true.ravel(), kept.ravel())
    return {
        "target": name,
        "rows": len(true),
        "not_finite": int(np.count_nonzero(~usable)),
        **plain(found),
        "quantiles": plain(shares),
        "worst": _worst(true, kept, numbers),
    }


def _worst(true: Array, kept: Array, numbers: Numbers) -> list[dict[str, Any]]:
    """The rows that are furthest off; the numbers themselves where each row has one."""
    errors = np.abs(true.astype(np.float64) - kept).mean(axis=1)
    rows = []
    for place in residuals.worst(errors, WORST_ROWS):
        row: dict[str, Any] = {"row": int(numbers[place]), "error": float(errors[place])}
        if true.shape[1] == 1:
            row |= {"true": float(true[place, 0]), "predicted": float(kept[place, 0])}
        rows.append(row)
    return rows


def plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers for JSON, which has no NaN."""
    return {name: _plain(value) for name, value in numbers.items()}


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
