"""The confusion matrix of classes, and what follows from it: precision, recall, F1, accuracy.

Pure functions of NumPy arrays. A ratio whose denominator is 0 is 0, as in scikit-learn's reports.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.training.columns import Array

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of each class, or of all together: arrays of one length, or numbers."""

    precision: Array
    recall: Array
    f1: Array


def confusion(true: Array, predicted: Array, classes: int) -> Counts:
    """How many rows of each class (down) were taken for each class (across).

    Args:
        true: Numbers of classes, (rows,).
        predicted: Likewise.
        classes: How many there are.
    """
    pairs = true.astype(np.int64) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def scores(counts: Counts) -> Scores:
    """Precision, recall and F1 of each class."""
    hits, support, taken = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return Scores(_ratio(hits, taken), _ratio(hits, support), _ratio(2 * hits, support + taken))


def macro(counts: Counts) -> Scores:
    """The plain mean over the classes that some row has, or was taken for."""
    return _averaged(counts, (counts.sum(axis=1) + counts.sum(axis=0) > 0).astype(np.float64))


def weighted(counts: Counts) -> Scores:
    """The mean over classes, each weighing as many as it has rows."""
    return _averaged(counts, counts.sum(axis=1).astype(np.float64))


def accuracy(counts: Counts) -> float:
    """The share of rows that were taken for what they are; NaN where there are no rows."""
    total = int(counts.sum())
    return float(np.trace(counts)) / total if total else float("nan")


def most_confused(counts: Counts, most: int) -> NDArray[np.int64]:
    """The numbers of at most so many classes, in their order: those with the most mistakes in row and column."""
    mistakes = counts.sum(axis=1) + counts.sum(axis=0) - 2 * np.diag(counts)
    return np.sort(np.argsort(-mistakes, kind="stable")[:most])


def _averaged(counts: Counts, weights: NDArray[np.float64]) -> Scores:
    each, total = scores(counts), weights.sum()
    shares = weights / total if total else weights
    return Scores(*(np.asarray(part @ shares) for part in (each.precision, each.recall, each.f1)))


def _ratio(parts: Array, wholes: Array) -> NDArray[np.float64]:
    return np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)
