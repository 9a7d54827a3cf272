import numpy as np
import pytest

from workers.training.data import Rows
from workers.training.feeds import ArrayFeed
from workers.training.tensorflow_feeds import AskedFeed, GatheredFeed

pytestmark = pytest.mark.keras

ROWS = Rows(np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10, dtype=np.int32), np.ones(10, np.float32))
ORDER = np.array([9, 1, 8, 2, 7, 3, 6, 4, 5, 0])


def labels_of(feed, steps):
    """The labels of the first batches, whatever the feed is made of."""
    batches = batches_of(feed, steps)
    return [np.asarray(next(batches)[1]).tolist() for _ in range(steps)]


def batches_of(feed, steps):
    return (feed.data[step] for step in range(steps)) if isinstance(feed, ArrayFeed) else iter(feed.data)


@pytest.fixture(params=[GatheredFeed, AskedFeed, ArrayFeed])
def feed(request):
    return request.param(ROWS, 4)


def test_batches_follow_the_order_of_each_epoch(feed):
    feed.begin(ORDER, 0)
    assert labels_of(feed, 3) == [[9, 1, 8, 2], [7, 3, 6, 4], [5, 0]]

    feed.begin(ORDER[::-1].copy(), 0)
    assert labels_of(feed, 3) == [[0, 5, 4, 6], [3, 7, 2, 8], [1, 9]]


def test_a_resumed_epoch_begins_after_the_batches_that_were_done(feed):
    feed.begin(ORDER, 1)

    assert labels_of(feed, 2) == [[7, 3, 6, 4], [5, 0]]


def test_an_epoch_always_announces_all_its_batches(feed):
    feed.begin(ORDER, 2)

    assert len(feed.data) == 3


def test_features_and_weights_stay_with_their_labels(feed):
    feed.begin(ORDER, 0)

    features, labels, weights = next(batches_of(feed, 1))

    assert np.asarray(features)[:, 0].tolist() == [18.0, 2.0, 16.0, 4.0]
    assert np.asarray(labels).tolist() == [9, 1, 8, 2]
    assert np.asarray(weights).tolist() == [1.0] * 4
