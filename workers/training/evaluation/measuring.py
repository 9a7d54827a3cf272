"""Goes through rows once, a batch at a time, and keeps of each prediction what its measure needs.

What is kept is no larger than the labels, which are in memory anyway. Leaves loss and metrics to the engine.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from workers.training.columns import Array
from workers.training.data import Rows
from workers.training.evaluation.tasks import Task, TaskKind
from workers.training.failures import StopRequested

_BATCH_BYTES = 2**20
_MOST_ROWS = 1024


def predictions(
    model: Any, rows: Rows, tasks: Sequence[Task], batch_size: int, is_stopping: Callable[[], bool]
) -> dict[str | None, Array]:
    """What each task keeps of the model's outputs for the rows, in their order.

    Args:
        model: Compiled or not.
        rows: What it is called on.
        tasks: What its outputs are measured by.
        batch_size: That of the training. Rows that are small go in larger batches.
        is_stopping: Asked before each batch.

    Raises StopRequested.
    """
    wanted = [task for task in tasks if task.kind is not TaskKind.OTHER]
    kept: dict[str | None, Array] = {}
    if not wanted:
        return kept
    size = _rows_at_once(rows, batch_size)
    for first in range(0, len(rows), size):
        if is_stopping():
            raise StopRequested
        numbers = np.arange(first, min(first + size, len(rows)))
        outputs = model.predict_on_batch(_gathered(rows.features, numbers))
        for task in wanted:
            part = task.kept(outputs if task.output is None else outputs[task.output])
            if task.output not in kept:
                kept[task.output] = np.empty((len(rows), *part.shape[1:]), part.dtype)
            kept[task.output][numbers] = part
    return kept


def labels_for(task: Task, rows: Rows) -> Array:
    """What a task's output should have been."""
    labels = rows.labels
    return task.truth(labels[task.output or ""] if isinstance(labels, Mapping) else labels)


def _gathered(features: Any, numbers: Array) -> Any:
    if isinstance(features, Mapping):
        return {name: column[numbers] for name, column in features.items()}
    return features[numbers]


def _rows_at_once(rows: Rows, batch_size: int) -> int:
    """As many as a step of the training took, or more where they are small: each call costs as much as many rows."""
    columns = rows.features.values() if isinstance(rows.features, Mapping) else [rows.features]
    each = sum(4 * int(np.prod([size or 1 for size in column.shape[1:]], dtype=np.int64)) for column in columns)
    return max(batch_size, min(_MOST_ROWS, _BATCH_BYTES // max(each, 1)))
