"""Memory that is used again, and never while somebody holds what is in it."""

import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from workers.training.batch_memory import BatchMemory
from workers.training.data import Rows
from workers.training.tensorflow_feeds import BatchedFeed

pytestmark = pytest.mark.keras


def address(array):
    return array.__array_interface__["data"][0]


def as_tensor(array):
    """Of the array's own memory, as a pipeline hands it out."""
    return tf.function(lambda: tf.numpy_function(lambda: array, [], tf.float32))()


def test_arrays_lie_as_tensorflow_takes_them():
    memory = BatchMemory()
    arrays = [memory.array((rows, 3), np.float32) for rows in (1, 5, 32)]

    assert [array.shape for array in arrays] == [(1, 3), (5, 3), (32, 3)]
    assert all(address(array) % 64 == 0 and array.dtype == np.float32 for array in arrays)


def test_what_nobody_holds_is_used_again_for_as_much_and_for_less():
    memory = BatchMemory()
    first = address(memory.array((32, 3), np.float32))

    assert address(memory.array((32, 3), np.float32)) == first
    assert address(memory.array((7, 3), np.uint8)) == first


@pytest.mark.parametrize(
    "held",
    [
        lambda array: array,
        lambda array: array[1:2],
        lambda array: array[1:].T[::2],
        memoryview,
        as_tensor,
    ],
    ids=["itself", "a view", "a view of a view", "a buffer", "a tensor"],
)
def test_what_is_held_by_whoever_keeps_its_values(held):
    memory = BatchMemory()
    array = memory.array((4, 3), np.float32)
    array[:] = np.arange(12).reshape(4, 3)
    kept = held(array)
    before = np.array(kept)
    del array
    gc.collect()

    for _ in range(5):
        memory.array((4, 3), np.float32)[:] = -1

    np.testing.assert_array_equal(np.array(kept), before)


def test_several_threads_never_share():
    memory, threads = BatchMemory(), 4
    everybody_has_one = threading.Barrier(threads)

    def addresses(_):
        found = []
        for _ in range(300):
            array = memory.array((100,), np.int64)
            found.append(address(array))
            everybody_has_one.wait(10)
        return found

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            rounds = list(zip(*pool.map(addresses, range(threads)), strict=True))
    finally:
        sys.setswitchinterval(interval)
    assert {len(set(taken)) for taken in rounds} == {threads}


def test_what_is_too_small_is_let_go_of():
    memory = BatchMemory()
    small = memory.array((1, 3), np.float32)
    kept = weakref.ref(small.base)
    del small
    memory.array((32, 3), np.float32)

    assert kept() is None


def test_batches_that_were_handed_out_stay_as_they_were():
    """More of them than the pipeline makes ahead, held while later ones are gathered."""
    values = np.arange(100 * 50, dtype=np.float32).reshape(100, 50)
    feed = BatchedFeed(Rows(values, np.arange(100)), 7, is_copied=False)
    order = np.random.default_rng(1).permutation(100)
    feed.begin(order, 0)

    batches = list(feed.data)

    np.testing.assert_array_equal(np.concatenate([features for features, _ in batches]), values[order])
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), order)
