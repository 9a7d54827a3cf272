"""What a training goes through, as values: its rows, its epochs, and how far it is.

Leaves running it to the engines and telling about it to `workers.training.reporting`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.training.columns import Array
from workers.training.data import JobData, Rows, order


@dataclass(frozen=True, slots=True)
class Position:
    """How far a training is: whole epochs, and batches of the epoch under way."""

    epoch: int = 0
    batch: int = 0


CallbackState = dict[str, Any]
"""What a callback remembers, by name: numbers, or lists of arrays."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a training goes on. The default is the very beginning."""

    position: Position = Position()
    callbacks: list[CallbackState] = field(default_factory=list)
    metrics: list[Array] = field(default_factory=list)
    """The metrics' variables in the middle of an epoch; empty at its end."""
    stopped_by: str | None = None
    """The callback that had ended the training there: only what follows the last epoch is left to do."""


@dataclass(frozen=True, slots=True)
class Course:
    """The training that a spec asks for."""

    train: Rows
    validation: Rows | None
    epochs: int
    batch_size: int
    seed: int
    shuffle: bool

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], data: JobData) -> "Course":
        """The course of a normalised spec over its data."""
        training = spec["training"]
        return cls(
            train=data.train,
            validation=data.validation,
            epochs=training["epochs"],
            batch_size=training["batch_size"],
            seed=training["seed"],
            shuffle=training["shuffle"],
        )

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the last of which may be smaller."""
        return -(-len(self.train) // self.batch_size)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The row numbers of an epoch (from 1), in the order in which it takes them."""
        rows = len(self.train)
        return order(self.seed, epoch, rows) if self.shuffle else np.arange(rows)

    def steps_until(self, position: Position) -> int:
        """The steps from the very beginning to `position`."""
        return position.epoch * self.steps_per_epoch + position.batch
