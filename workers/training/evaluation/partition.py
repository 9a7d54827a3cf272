"""The rows of a dataset that train, validate and test, as arrays that a client can read.

Rows are numbered from 0, in the order of the dataset that they come from: the job's own, or the one that a part names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hornbeam.datasets.facts import facts_of
from workers.training.columns import Numbers
from workers.training.splitting import Parts

NAME = "splits.npz"


def row_numbers(dataset: Mapping[str, Any], parts: Parts) -> dict[str, Numbers]:
    """The row numbers of each part; none where a job has no such part."""
    numbers = {"train": parts.train.astype(np.int64)}
    for part, drawn in (("validation", parts.validation), ("test", parts.test)):
        split = dataset.get(part) or {}
        whole = np.arange(facts_of(split).rows if "source" in split else 0, dtype=np.int64)
        numbers[part] = whole if drawn is None else drawn.astype(np.int64)
    return numbers


def write(numbers: Mapping[str, Numbers], path: Path) -> None:
    """Write the arrays into one NPZ file."""
    np.savez_compressed(path, **numbers)  # type: ignore[arg-type]
