"""Which epoch is best: what is watched, and whether less or more of it is better.

Pure: it needs no Keras, whose own rule raises in the middle of a training where it does not know a metric.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["min", "max"]
Metrics = Mapping[str, float]

_HIGHER_IS_BETTER = re.compile(
    r"acc|auc|precision|recall|score|iou|f1|fbeta|r2|dice|correlation|cosine_?similarity|_at_|true_?(positive|negative)",
    re.IGNORECASE,
)


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
    policy = spec["checkpoints"]
    key = policy.get("monitor") or ("val_loss" if spec["dataset"].get("validation") else "loss")
    return Monitor(key, resolved_mode(spec, {"monitor": key, "mode": policy.get("mode", "auto")}))


def resolved_mode(spec: Mapping[str, Any], watcher: Mapping[str, Any]) -> Mode:
    """The direction that `watcher` (with `monitor` and `mode`) means; `auto` is decided by the metric."""
    mode = watcher.get("mode", "auto")
    if mode in ("min", "max"):
        return mode  # type: ignore[no-any-return]
    key = str(watcher.get("monitor", "val_loss")).removeprefix("val_")
    named = (metric["type"] for metric in spec["metrics"] if metric.get("name") == key)
    return "max" if _HIGHER_IS_BETTER.search(next(named, key)) else "min"
