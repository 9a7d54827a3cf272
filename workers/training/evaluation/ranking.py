"""How well scores tell two classes apart, whatever threshold is drawn: ROC AUC and average precision.

Pure functions of NumPy arrays; equal scores count as scikit-learn counts them. NaN where one class has no rows.
"""

import numpy as np
from numpy.typing import NDArray

from workers.training.columns import Array


def roc_auc(true: Array, scores: Array) -> float:
    """The chance that a row of the positive class scores higher than one of the other: the Mann-Whitney statistic.

    Args:
        true: Whether each row is of the positive class, (rows,).
        scores: Finite, (rows,).
    """
    positives = np.count_nonzero(true)
    negatives = len(true) - positives
    if not positives or not negatives:
        return float("nan")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    above = ranks[places[true]].sum() - positives * (positives + 1) / 2
    return float(above / positives / negatives)


def average_precision(true: Array, scores: Array) -> float:
    """The precisions at all thresholds, each weighing as much as recall grows there.

    Args:
        true: Whether each row is of the positive class, (rows,).
        scores: Finite, (rows,).
    """
    positives = np.count_nonzero(true)
    if not positives:
        return float("nan")
    descending = np.argsort(-scores, kind="stable")
    ranked = scores[descending]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    found: NDArray[np.int64] = np.cumsum(true[descending])[ends]
    gains = np.diff(found, prepend=0) / positives
    return float(np.sum(gains * found / (ends + 1)))
