"""Matrices that are written chunk by chunk, by several threads."""

import numpy as np
import pytest

from schemas.datasets import BuiltinDataset
from workers.training import columns
from workers.training.columns import OnDisk
from workers.training.preprocessing import fill
from workers.training.tables import read_builtin

pytestmark = pytest.mark.keras

VALUES = np.random.default_rng(1).standard_normal((1000, 300)).astype(np.float32)


def chunks(size):
    return (
        (first, {"a": VALUES[first : first + size], "b": -VALUES[first : first + size]})
        for first in range(0, 1000, size)
    )


@pytest.mark.parametrize("size", [1, 7, 64, 2000])
def test_every_row_goes_to_its_place_in_memory_and_on_disk(tmp_path, monkeypatch, size):
    monkeypatch.setattr(columns, "_HELD_BYTES", 100_000)
    in_memory, on_disk = np.empty_like(VALUES), OnDisk(tmp_path / "rows", VALUES.shape)

    fill({"a": in_memory, "b": on_disk}, chunks(size))

    np.testing.assert_array_equal(in_memory, VALUES)
    np.testing.assert_array_equal(on_disk[np.arange(1000)], -VALUES)


def test_a_chunk_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="broadcast"):
        fill({"a": np.empty((1000, 200), np.float32)}, chunks(64))


def test_so_is_one_that_cannot_be_made():
    def failing():
        yield next(chunks(64))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fill({"a": np.empty_like(VALUES)}, failing())


@pytest.mark.parametrize("name", list(BuiltinDataset))
def test_nobody_can_change_the_services_own_datasets(name):
    features, target = read_builtin(name)

    assert not features.flags.writeable
    assert not target.flags.writeable
