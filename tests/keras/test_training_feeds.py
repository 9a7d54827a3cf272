from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from workers.training import tensorflow_feeds
from workers.training.columns import OnDisk
from workers.training.data import Rows
from workers.training.feeds import ArrayFeed
from workers.training.tensorflow_feeds import BatchedFeed, GatheredFeed, tensorflow_feed

pytestmark = pytest.mark.keras

ROWS = Rows(np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10, dtype=np.int32), np.ones(10, np.float32))
ORDER = np.array([9, 1, 8, 2, 7, 3, 6, 4, 5, 0])


def labels_of(feed, steps):
    """The labels of the first batches, whatever the feed is made of."""
    batches = batches_of(feed, steps)
    return [np.asarray(next(batches)[1]).tolist() for _ in range(steps)]


def batches_of(feed, steps):
    return (feed.data[step] for step in range(steps)) if isinstance(feed, ArrayFeed) else iter(feed.data)


@pytest.fixture(
    params=[GatheredFeed, partial(BatchedFeed, is_copied=True), partial(BatchedFeed, is_copied=False), ArrayFeed],
    ids=["gathered", "copied", "asked", "arrays"],
)
def make(request):
    return request.param


@pytest.fixture
def feed(make):
    return make(ROWS, 4)


def test_batches_follow_the_order_of_each_epoch(feed):
    feed.begin(ORDER, 0)
    assert labels_of(feed, 3) == [[9, 1, 8, 2], [7, 3, 6, 4], [5, 0]]

    feed.begin(ORDER[::-1].copy(), 0)
    assert labels_of(feed, 3) == [[0, 5, 4, 6], [3, 7, 2, 8], [1, 9]]


def test_rows_that_are_never_ordered_come_as_they_are(feed):
    assert labels_of(feed, 3) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_resumed_epoch_begins_after_the_batches_that_were_done(feed):
    feed.begin(ORDER, 1)

    assert labels_of(feed, 2) == [[7, 3, 6, 4], [5, 0]]


def test_an_epoch_always_announces_all_its_batches(feed):
    feed.begin(ORDER, 2)

    assert len(feed.data) == 3


@pytest.mark.parametrize(("batch_size", "batches"), [(5, [5, 5]), (10, [10]), (16, [10]), (1, [1] * 10)])
def test_batches_of_any_size(make, batch_size, batches):
    feed = make(ROWS, batch_size)
    feed.begin(ORDER, 0)

    assert len(feed.data) == len(batches)
    assert [len(labels) for labels in labels_of(feed, len(batches))] == batches
    assert [label for batch in labels_of(feed, len(batches)) for label in batch] == ORDER.tolist()


def test_features_and_weights_stay_with_their_labels(feed):
    feed.begin(ORDER, 0)

    features, labels, weights = next(batches_of(feed, 1))

    assert np.asarray(features)[:, 0].tolist() == [18.0, 2.0, 16.0, 4.0]
    assert np.asarray(labels).tolist() == [9, 1, 8, 2]
    assert np.asarray(weights).tolist() == [1.0] * 4


def test_text_and_several_inputs_and_outputs(make):
    text = np.array([[f"row {row} é"] for row in range(10)], object)
    flags = np.arange(10) % 2 == 0
    feed = make(Rows({"text": text, "flag": flags}, {"a": np.arange(10), "b": -np.arange(10)}), 4)
    feed.begin(ORDER, 1)

    features, labels = next(batches_of(feed, 1))

    told = [value.decode() if isinstance(value, bytes) else value for value in np.asarray(features["text"])[:, 0]]
    assert told == ["row 7 é", "row 3 é", "row 6 é", "row 4 é"]
    assert np.asarray(features["flag"]).tolist() == [False, False, True, True]
    assert np.asarray(labels["a"]).tolist() == [7, 3, 6, 4]
    assert np.asarray(labels["b"]).tolist() == [-7, -3, -6, -4]


@pytest.mark.parametrize("kind", [GatheredFeed, partial(BatchedFeed, is_copied=True)])
def test_what_a_batch_is_made_of_never_changes(kind):
    """A step would have to be traced anew."""
    feed = kind(ROWS, 4)
    whole = feed.data.element_spec
    feed.begin(ORDER, 2)

    assert feed.data.element_spec == whole
    assert [spec.shape.as_list() for spec in whole] == [[None, 2], [None], [None]]
    for part, spec in zip(next(iter(feed.data)), whole, strict=True):
        assert spec.is_compatible_with(part)


@pytest.mark.parametrize(
    ("features", "kind", "is_copied"),
    [
        (np.zeros((1000, 4), np.float32), GatheredFeed, True),
        (np.zeros((5, 2**20), np.float32), BatchedFeed, True),
        (np.zeros((20, 2**20), np.float32), BatchedFeed, False),
        (np.array(["few words"] * 100, object), GatheredFeed, True),
        (np.array(["x" * 2**20] * 20, object), BatchedFeed, True),
        (np.array(["x" * 2**20] * 70, object), BatchedFeed, False),
    ],
)
def test_large_data_is_not_copied(features, kind, is_copied, monkeypatch):
    copied = []
    gather = tensorflow_feeds._gathering_in_memory
    monkeypatch.setattr(tensorflow_feeds, "_gathering_in_memory", lambda what: copied.append(what) or gather(what))

    feed = tensorflow_feed(Rows(features, np.zeros(len(features), np.int32)), 8)

    assert type(feed) is kind
    assert bool(copied) == (is_copied and kind is BatchedFeed)


def test_what_is_on_disk_is_asked_for(tmp_path):
    column = OnDisk(tmp_path / "rows", (10, 2))
    column.write(0, ROWS.features)

    feed = tensorflow_feed(Rows(column, ROWS.labels), 4)
    feed.begin(ORDER, 0)

    assert type(feed) is BatchedFeed
    assert np.asarray(next(iter(feed.data))[0])[:, 0].tolist() == [18.0, 2.0, 16.0, 4.0]


@pytest.mark.parametrize("kind", [GatheredFeed, partial(BatchedFeed, is_copied=True)])
def test_keras_trains_on_every_row_once_an_epoch(kind):
    seen = []

    class Watched(keras.layers.Layer):
        def call(self, x):
            tf.py_function(lambda rows: seen.append(rows.numpy()[:, 0].tolist()), [x], [])
            return x

    model = keras.Sequential([keras.Input((2,)), Watched(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    feed = kind(Rows(ROWS.features, ROWS.labels), 4)

    class Orders(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            feed.begin(ORDER if epoch else ORDER[::-1].copy(), 0)

    model.fit(feed.data, epochs=2, shuffle=False, verbose=0, callbacks=[Orders()])

    taken = [int(value) // 2 for batch in seen for value in batch]
    assert taken == [*ORDER[::-1].tolist(), *ORDER.tolist()]
