"""What layers are besides their spec: their weights, and what they learnt of the data and hold in no weight."""

from dataclasses import dataclass

from workers.training.adapting import Learnt
from workers.training.columns import Array


@dataclass(frozen=True, slots=True)
class State:
    """The state of the layers of one model."""

    learnt: Learnt
    weights: list[Array]
    """In the model's order."""
