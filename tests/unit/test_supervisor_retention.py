"""Which checkpoints stay."""

from datetime import UTC, datetime

import pytest

from hornbeam.jobs.record import CheckpointRecord
from workers.retention import superfluous


def checkpoint(epoch, loss, is_best=False):
    metrics = {} if loss is None else {"loss": loss}
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return CheckpointRecord(f"ckpt_{epoch}", "job_1", 1, epoch, epoch, metrics, is_best, f"key_{epoch}", 1, "", moment)


def spec(best, last, mode="min"):
    policy = {"monitor": "loss", "mode": mode, "keep": {"best": best, "last": last}}
    return {"checkpoints": policy, "metrics": [], "dataset": {}}


LOSSES = [0.9, 0.3, 0.7, 0.2, 0.5, 0.4]
CHECKPOINTS = [checkpoint(epoch, loss) for epoch, loss in enumerate(LOSSES, start=1)]


@pytest.mark.parametrize(
    ("best", "last", "mode", "kept"),
    [
        (1, 1, "min", [4, 6]),
        (2, 1, "min", [2, 4, 6]),
        (0, 2, "min", [5, 6]),
        (1, 2, "max", [1, 5, 6]),
        (3, 3, "min", [2, 4, 5, 6]),
        (100, 1, "min", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_the_best_and_the_last_stay(best, last, mode, kept):
    dropped = superfluous(CHECKPOINTS, spec(best, last, mode))
    assert [each.epoch for each in CHECKPOINTS if each not in dropped] == kept


def test_of_equals_the_marked_one_is_the_best():
    checkpoints = [checkpoint(1, 0.5), checkpoint(2, 0.5, is_best=True), checkpoint(3, 0.5)]
    assert [each.epoch for each in superfluous(checkpoints, spec(1, 1))] == [1]


def test_a_checkpoint_without_the_metric_is_never_the_best():
    checkpoints = [checkpoint(1, None), checkpoint(2, 0.5), checkpoint(3, None)]
    assert [each.epoch for each in superfluous(checkpoints, spec(5, 1))] == [1]


def test_nothing_is_dropped_while_there_is_little():
    assert superfluous(CHECKPOINTS[:1], spec(0, 1)) == []
    assert superfluous([], spec(1, 1)) == []
