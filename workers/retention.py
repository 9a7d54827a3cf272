"""Which checkpoints of a job stay: the best few and the last few, as the spec says. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from hornbeam.jobs.record import CheckpointRecord
from workers.training.monitors import checkpoint_monitor


def superfluous(checkpoints: Sequence[CheckpointRecord], spec: Mapping[str, Any]) -> list[CheckpointRecord]:
    """The checkpoints (oldest first) that a normalised spec does not ask to keep."""
    keep = spec["checkpoints"]["keep"]
    kept = {checkpoint.id for checkpoint in checkpoints[-keep["last"] :]}
    kept |= {checkpoint.id for checkpoint in _best(checkpoints, spec)[: keep["best"]]}
    return [checkpoint for checkpoint in checkpoints if checkpoint.id not in kept]


def _best(checkpoints: Sequence[CheckpointRecord], spec: Mapping[str, Any]) -> list[CheckpointRecord]:
    """Best first; of equals the one marked as best, then the older."""
    monitor = checkpoint_monitor(spec)
    sign = 1 if monitor.mode == "min" else -1
    known = [checkpoint for checkpoint in checkpoints if monitor.is_better(checkpoint.metrics, None)]
    return sorted(known, key=lambda checkpoint: (sign * checkpoint.metrics[monitor.key], not checkpoint.is_best))
