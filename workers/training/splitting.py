"""Which rows of a dataset train, validate and test: a pure function of the spec and the columns that it names.

Leaves how many these are, where that can be told without the rows, to `hornbeam.datasets.splits`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from schemas.jobs import ErrorLocation, ErrorOrigin
from workers.training.columns import Array, Numbers
from workers.training.failures import failure

Keys = Callable[[str], Array]
"""The values of a column, to compare and to sort by."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The numbers of the rows of each part, in the order of the dataset; None where the dataset gives none to it."""

    train: Numbers
    validation: Numbers | None = None
    test: Numbers | None = None


def split(dataset: Mapping[str, Any], rows: int, seed: int, *, strata: Array | None, keys: Keys) -> Parts:
    """Divide the rows. Raises TrainingFailed with origin `data` where it can't be done.

    The test rows are drawn first: another validation split leaves them alone.

    Args:
        dataset: Normalised.
        rows: How many there are.
        seed: Of the training, where a split has none.
        strata: The class of each row, where there are classes.
        keys: Columns that splits go by.
    """
    left, held = np.arange(rows), {}
    for part in ("test", "validation"):
        wanted = dataset.get(part)
        if wanted is None or "source" in wanted:
            continue
        drawing = _Drawing(part, wanted, rows, dataset.get("window") is not None, strata, keys)
        left, held[part] = drawing.divide(left, seed)
    return Parts(left, held.get("validation"), held.get("test"))


@dataclass(frozen=True, slots=True)
class _Drawing:
    """One part that is taken out of the rows that are left."""

    part: str
    wanted: Mapping[str, Any]
    rows: int
    in_order: bool
    strata: Array | None
    keys: Keys

    def divide(self, left: Numbers, seed: int) -> tuple[Numbers, Numbers]:
        """What stays, and what is taken."""
        try:
            stays, taken = self._divided(left, seed)
        except ValueError as error:
            raise self._impossible(f"The rows can't be split like this: {error}") from error
        if not len(stays) or not len(taken):
            raise self._impossible(f"Of {len(left)} rows {len(stays)} would be left, and {len(taken)} taken.")
        return np.sort(stays), np.sort(taken)

    def _divided(self, left: Numbers, seed: int) -> tuple[Numbers, Numbers]:
        if "column" in self.wanted:
            marked = self.keys(self.wanted["column"])[left] == self.wanted["value"]
            return left[~marked], left[marked]
        count = math.ceil(self.rows * self.wanted["fraction"])
        if self.in_order:
            return left[:-count], left[-count:]
        if self.wanted.get("time") is not None:
            by_time = left[np.argsort(self.keys(self.wanted["time"])[left], kind="stable")]
            return by_time[:-count], by_time[-count:]
        seed = self.wanted["seed"] if self.wanted.get("seed") is not None else seed
        if self.wanted.get("group") is not None:
            return self._by_group(left, count, seed)
        strata = self._strata(left)
        stays, taken = train_test_split(left, test_size=count, random_state=seed, stratify=strata)
        return stays, taken

    def _by_group(self, left: Numbers, count: int, seed: int) -> tuple[Numbers, Numbers]:
        groups = self.keys(self.wanted["group"])[left]
        splitter = GroupShuffleSplit(n_splits=1, test_size=count / len(left), random_state=seed)
        stays, taken = next(splitter.split(left, groups=groups))
        return left[stays], left[taken]

    def _strata(self, left: Numbers) -> NDArray[Any] | None:
        if not self.wanted.get("stratify"):
            return None
        if self.strata is None:
            raise self._impossible("A stratified split needs classes, and the dataset is for regression.")
        strata: NDArray[Any] = self.strata[left]
        return strata

    def _impossible(self, message: str) -> Exception:
        where = ErrorLocation(pointer=f"/dataset/{self.part}")
        return failure(ErrorOrigin.DATA, "data.split_impossible", message, where=where)
