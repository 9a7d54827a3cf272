"""Which epoch is best, by the metric that a spec watches.

Leaves deciding what `auto` means, and whether such a metric exists, to `hornbeam.specs`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["min", "max"]
Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Monitor:
    """A key of the epochs' metrics and the direction in which it improves."""

    key: str
    mode: Mode

    def is_better(self, metrics: Metrics, than: Metrics | None) -> bool:
        """Whether `metrics` beat `than`; a missing or non-finite value beats nothing."""
        value = metrics.get(self.key, math.nan)
        if not math.isfinite(value):
            return False
        other = math.nan if than is None else than.get(self.key, math.nan)
        if not math.isfinite(other):
            return True
        return value < other if self.mode == "min" else value > other

    def best(self, history: Sequence[Metrics]) -> int | None:
        """The index of the first best epoch, or None where no epoch has the key."""
        best: int | None = None
        for index, metrics in enumerate(history):
            if self.is_better(metrics, None if best is None else history[best]):
                best = index
        return best


def checkpoint_monitor(spec: Mapping[str, Any]) -> Monitor:
    """What `best` means for a normalised spec."""
    return Monitor(spec["checkpoints"]["monitor"], spec["checkpoints"]["mode"])
