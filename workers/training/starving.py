"""Whether a model would wait for its data: images that are decoded anew each epoch, and take longer than computing.

Rough: what decoding takes was measured on one machine (`bench.feeding`), and what computing takes is an estimate.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hornbeam.datasets.facts import facts_of
from hornbeam.datasets.splits import split_sizes
from schemas.problems import Finding, Severity
from schemas.stored_datasets import ColumnKind
from workers.cores import cores
from workers.training.room import SHARE_OF_FEATURES

_SECONDS_A_PIXEL = 25e-9
"""Of one core, for decoding a JPEG and resizing it."""
_USUAL_PIXELS = 256 * 256
"""Of images whose sizes differ."""


def starving_findings(
    dataset: Mapping[str, Any],
    shapes: Sequence[tuple[int | None, ...]],
    *,
    room_bytes: tuple[int, int],
    epoch_seconds: float | None,
) -> list[Finding]:
    """A warning, where the data would keep the model waiting.

    Args:
        dataset: Normalised, with facts.
        shapes: Of one example, for each input of the model.
        room_bytes: What the trainer may hold in memory, 0 where that is not known, and write into a file.
        epoch_seconds: What an epoch takes at least, as far as the model is concerned; None where that is not known.
    """
    columns = facts_of(dataset).columns.values()
    pixels = sum(_pixels(column.shape) for column in columns if column.kind is ColumnKind.IMAGE)
    rows = split_sizes(dataset).train
    if not pixels or epoch_seconds is None or _has_room(rows, shapes, room_bytes):
        return []
    seconds = rows * pixels * _SECONDS_A_PIXEL / cores()
    if seconds <= epoch_seconds:
        return []
    message = (
        f"Decoding {rows:,} images takes about {seconds:.0f} s in each epoch, as there is no room to keep them "
        f"decoded, and computing {epoch_seconds:.0f} s or more: the model would wait for its data."
    )
    suggestion = "Make the images smaller before you bring them: no larger than what the model takes."
    return [
        Finding(
            severity=Severity.WARNING,
            pointer="/dataset/source",
            code="dataset.starves",
            message=message,
            suggestion=suggestion,
        )
    ]


def _pixels(shape: Sequence[int | None]) -> int:
    height, width = shape[0], shape[1]
    return height * width if height and width else _USUAL_PIXELS


def _has_room(rows: int, shapes: Sequence[tuple[int | None, ...]], room_bytes: tuple[int, int]) -> bool:
    """Whether what was decoded once can be kept, in memory or in a file."""
    memory, file = room_bytes
    if not memory:
        return True
    largest = max(4 * rows * math.prod(size or 1 for size in shape) for shape in shapes)
    return largest <= max(memory // SHARE_OF_FEATURES, file)
