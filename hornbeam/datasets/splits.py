"""How many rows each part of a dataset gets: the arithmetic of splits and windows, without the rows.

Works on the normalised `dataset` of a spec. Leaves drawing the rows to `workers.training.splitting`, which agrees with
this wherever the numbers are known before.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hornbeam.datasets.facts import DatasetFacts, facts_of


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows, or windows, of each part."""

    train: int
    validation: int = 0
    test: int = 0


def split_sizes(dataset: Mapping[str, Any]) -> Sizes:
    """How many examples train, validate and test.

    A fraction is of all rows, and rounded up, as scikit-learn does. Where groups stay together it is what is aimed at.
    """
    facts = facts_of(dataset)
    rows = {part: _held_back(dataset.get(part), facts) for part in ("validation", "test")}
    kept = facts.rows - sum(_taken_here(dataset.get(part), rows[part]) for part in rows)
    window = dataset.get("window")
    return Sizes(*(windows(count, window) for count in (kept, rows["validation"], rows["test"])))


def windows(rows: int, window: Mapping[str, Any] | None) -> int:
    """How many examples so many consecutive rows make."""
    if window is None:
        return max(0, rows)
    room = rows - window["length"] - window["horizon"]
    return room // int(window["stride"]) + 1 if room >= 0 else 0


def _held_back(split: Mapping[str, Any] | None, facts: DatasetFacts) -> int:
    if split is None:
        return 0
    if "fraction" in split:
        return math.ceil(facts.rows * float(split["fraction"]))
    if "source" in split:
        return facts_of(split).rows
    column = facts.columns[split["column"]]
    counted = dict(zip(column.values or (), column.counts or (), strict=False))
    return counted.get(split["value"], 0)


def _taken_here(split: Mapping[str, Any] | None, rows: int) -> int:
    """Rows that the training does not get for it."""
    return 0 if split is None or "source" in split else rows
