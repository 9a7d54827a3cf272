"""Feeding JPEGs to a training, beside a bare `tf.data` pipeline with the same operations.

    python -m bench.feeding

Images of 256 x 256 lie encoded in a table, as an upload leaves them; both decode them, resize them to 224 x 224 and
scale them, and hand out batches of 32 in another order each epoch. What is compared are three epochs, from the
beginning: once with room in memory for what was resized, once where every image is decoded anew each epoch. They take
turns, since the speed of a machine drifts, and the median is of the ratios within a turn. The process has a trainer's
environment.
"""

import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from PIL import Image

from hornbeam.components.catalog import load_catalogue
from hornbeam.datasets.facts import ColumnFacts, DatasetFacts, as_json
from schemas.stored_datasets import ColumnKind
from workers.launcher import cleared_environment
from workers.training.build import Builder
from workers.training.data import load, order
from workers.training.feeds import make_feed
from workers.training.preprocessing import Preprocessor, graph_of
from workers.training.room import Files, Room

IMAGES = 800
BATCH = 32
EPOCHS = 3
ROUNDS = 7
SIDE, RESIZED = 256, 224
AT_LEAST = 0.9
AS_A_TRAINER = "--as-a-trainer"
BARE = "bare tf.data"
DATASET = f"ds_{'0' * 26}"


def main() -> None:
    """Measure, and print a table."""
    if AS_A_TRAINER not in sys.argv:
        os.execve(
            sys.executable, [sys.executable, "-m", "bench.feeding", AS_A_TRAINER], cleared_environment(os.environ)
        )
    with tempfile.TemporaryDirectory(prefix="hornbeam-bench-") as directory:
        folder = Path(directory)
        encoded = _images()
        table = _write(encoded, folder / "table.arrow")
        ways: dict[str, Callable[[], int]] = {
            BARE: lambda: _bare(encoded),
            "kept in memory": lambda: _ours(Files({DATASET: table}, folder)),
            "decoded anew": lambda: _ours(Files({DATASET: table}, folder, memory_bytes=1, disk_bytes=1)),
        }
        rounds = [{name: _rate(way) for name, way in ways.items()} for _ in range(ROUNDS)]
    print(f"images a second, {EPOCHS} epochs of {IMAGES}, median of {ROUNDS}")
    ratios = {name: statistics.median(rates[name] / rates[BARE] for rates in rounds) for name in ways}
    for name, ratio in ratios.items():
        rate = statistics.median(rates[name] for rates in rounds)
        print(f"  {name:<16}{rate:10.0f}   ratio {ratio:.2f}, wanted {AT_LEAST}")
    raise SystemExit(min(ratios.values()) < AT_LEAST)


def _rate(feed: Callable[[], int]) -> float:
    began = time.perf_counter()
    images = feed()
    return images / (time.perf_counter() - began)


def _images() -> list[bytes]:
    """Noise that is smooth, so that it compresses as photographs do."""
    random = np.random.default_rng(1)
    encoded = []
    for _ in range(IMAGES):
        small = random.integers(0, 256, (32, 32, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
        encoded.append(file.getvalue())
    return encoded


def _write(encoded: list[bytes], path: Path) -> str:
    table = pa.table({"image": encoded, "label": [number % 10 for number in range(IMAGES)]})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=256)
    return str(path)


def _bare(encoded: list[bytes]) -> int:
    def image(data: Any, label: Any) -> Any:
        pixels = tf.io.decode_jpeg(data, channels=3)
        return tf.image.resize(pixels, (RESIZED, RESIZED)) / 255.0, label

    labels = np.arange(IMAGES, dtype=np.int32) % 10
    data = tf.data.Dataset.from_tensor_slices((encoded, labels)).shuffle(IMAGES, seed=1)
    data = data.map(image, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return _consumed(data for _ in range(EPOCHS))


def _ours(files: Files) -> int:
    facts = DatasetFacts(
        "bench",
        IMAGES,
        {
            "image": ColumnFacts(ColumnKind.IMAGE, "binary", (SIDE, SIDE, 3)),
            "label": ColumnFacts(ColumnKind.NUMBER, "int64", values=tuple(range(10))),
        },
        target="label",
    )
    layers = [
        {"type": "Resizing", "trainable": True, "height": RESIZED, "width": RESIZED},
        {"type": "Rescaling", "trainable": True, "scale": 1 / 255},
    ]
    dataset = {"source": {"id": DATASET}, "facts": as_json(facts), "preprocess": {"image": layers}}
    spec = {"dataset": dataset, "model": {}, "training": {"seed": 1}}
    graph = graph_of(spec)
    assert graph is not None
    data = load(spec, files)
    data = Preprocessor(graph, Builder(load_catalogue()), data.train).applied(data, Room(files))
    feed = make_feed(data.train, BATCH)

    def epochs() -> Any:
        for epoch in range(1, EPOCHS + 1):
            feed.begin(order(1, epoch, IMAGES), 0)
            yield feed.data

    return _consumed(epochs())


def _consumed(epochs: Any) -> int:
    images = 0
    for data in epochs:
        for batch, _ in data:
            images += len(batch)
    return images


if __name__ == "__main__":
    main()
