"""Data of each kind from a file to a downloaded model that takes rows as they were in the file, all through HTTP."""

import csv
import io
import random
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf
from PIL import Image

from hornbeam.components.shipped import import_shipped
from hornbeam.errors import DatasetInUse, InvalidDataset, InvalidSpec
from schemas.jobs import JobStatus
from tests.e2e.stacks import RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.keras]

CLASSES = "sparse_categorical_crossentropy"
ADAM = {"type": "Adam", "learning_rate": 0.02}


class Trained:
    """A dataset that was brought, a job that trained on it, and the model that came out."""

    def __init__(self, stack: RunningStack, path: Path, **parts):
        self.client, self.directory = stack.client, path.parent
        self.dataset = self.client.datasets.create(path)
        data = {"source": {"id": self.dataset.id}, "validation": {"fraction": 0.2}, **parts.pop("data")}
        spec = {"dataset": data, "loss": CLASSES, "optimizer": ADAM, "metrics": ["accuracy"], **parts}
        self.job = self.client.jobs.wait(self.client.jobs.create(spec).id, timeout=120)
        assert self.job.status is JobStatus.SUCCEEDED, self.job.error
        self.last = self.job.summary.last.metrics

    def model(self):
        import_shipped()  # as `import hornbeam.components.imputation` does for a user
        return keras.models.load_model(self.client.jobs.download_model(self.job.id, self.directory / "model.keras"))


def stays(path: Path, rows=500) -> Path:
    """A table with missing numbers, text and a mistake that a careless reader would make."""
    chance = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "zip", "city", "comment", "member", "rating"])
        for _ in range(rows):
            age, city = chance.uniform(18, 80), chance.choice(["Bern", "Oslo", "Zürich"])
            comment = chance.choice(["lovely, quiet", "dirty", 'they said "never again"', "lovely view"])
            rating = "good" if "lovely" in comment or (age > 60 and city != "Oslo") else "bad"
            number = "" if chance.random() < 0.1 else f"{age:.1f}"
            writer.writerow(
                [number, f"0{chance.randint(1000, 1009)}", city, comment, chance.choice(["yes", "no"]), rating]
            )
    return path


def test_a_table_with_missing_values_and_text(stack: RunningStack, tmp_path):
    layers = [
        {"type": "Dense", "units": 16, "activation": "relu"},
        {"type": "Dense", "units": 2, "activation": "softmax"},
    ]
    trained = Trained(
        stack,
        stays(tmp_path / "stays.csv"),
        data={
            "target": "rating",
            "preprocess": "auto",
            "features": ["age", "city", "comment"],
            "test": {"fraction": 0.1},
        },
        model={"layers": layers},
        training={"epochs": 20, "seed": 7},
    )
    assert {column.name: column.missing > 0 for column in trained.dataset.columns}["age"]
    assert trained.last["val_accuracy"] > 0.9
    predicted = trained.model()(
        {
            "age": tf.constant([[70.0], [float("nan")], [20.0]]),
            "city": tf.constant([["Bern"], ["Oslo"], ["Lima"]]),
            "comment": tf.constant([["dirty"], ["dirty"], ["lovely view"]]),
        }
    )
    classes = [value.value for value in next(c for c in trained.dataset.columns if c.name == "rating").values]
    assert [classes[number] for number in np.argmax(predicted, axis=1)] == ["good", "bad", "good"]


def test_a_folder_of_images(stack: RunningStack, tmp_path):
    digits = sklearn.datasets.load_digits()
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        for number in range(600):
            encoded = io.BytesIO()
            Image.fromarray((digits.images[number] * 15).astype(np.uint8), "L").save(encoded, "PNG")
            archive.writestr(f"digits/{digits.target[number]}/{number}.png", encoded.getvalue())
    layers = [
        {"type": "Conv2D", "filters": 8, "kernel_size": 3, "activation": "relu"},
        "Flatten",
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    trained = Trained(
        stack,
        tmp_path / "digits.zip",
        data={
            "preprocess": "auto",
            "augment": [{"type": "RandomTranslation", "height_factor": 0.1, "width_factor": 0.1}],
        },
        model={"layers": layers},
        training={"epochs": 12, "seed": 7},
    )
    assert trained.last["val_accuracy"] > 0.8
    raw = (digits.images[1000:1100] * 15).astype(np.uint8)[..., None].astype(np.float32)
    predicted = trained.model().predict(raw, verbose=0).argmax(1)
    assert np.mean(predicted == digits.target[1000:1100]) > 0.7


def test_texts_in_folders(stack: RunningStack, tmp_path):
    chance = random.Random(2)
    words = {"praise": ["great", "fine", "happy"], "blame": ["awful", "broken", "sad"]}
    with zipfile.ZipFile(tmp_path / "reviews.zip", "w") as archive:
        for number in range(200):
            label = chance.choice(list(words))
            text = " ".join(chance.choice([*words[label], "the", "a", "thing", "was"]) for _ in range(12))
            archive.writestr(f"{label}/{number}.txt", text)
    vectorized = {"type": "TextVectorization", "max_tokens": 50, "output_sequence_length": 16}
    trained = Trained(
        stack,
        tmp_path / "reviews.zip",
        data={"preprocess": {"text": [vectorized]}},
        model={
            "layers": [
                {"type": "Embedding", "input_dim": 50, "output_dim": 8},
                "GlobalAveragePooling1D",
                {"type": "Dense", "units": 2, "activation": "softmax"},
            ]
        },
        training={"epochs": 25, "seed": 7},
    )
    assert trained.last["val_accuracy"] > 0.9
    predicted = trained.model()(tf.constant([["a great thing, happy"], ["Awful! the thing was broken"]]))
    assert np.argmax(predicted, axis=1).tolist() == [1, 0]  # blame, praise


def test_a_time_series(stack: RunningStack, tmp_path):
    hours = np.arange(800)
    load = np.sin(hours * 2 * np.pi / 24) + np.random.default_rng(3).normal(0, 0.05, len(hours))
    np.savetxt(tmp_path / "load.csv", np.stack([hours, load], 1), delimiter=",", header="hour,load", comments="")
    trained = Trained(
        stack,
        tmp_path / "load.csv",
        data={"features": ["load"], "target": "load", "window": {"length": 24, "horizon": 1}},
        model={"layers": [{"type": "LSTM", "units": 8}, {"type": "Dense", "units": 1}]},
        loss="mse",
        metrics=["mae"],
        training={"epochs": 8, "seed": 7},
    )
    assert trained.last["val_mae"] < 0.25
    window = load[500:524].astype(np.float32).reshape(1, 24, 1)
    assert abs(float(trained.model().predict(window, verbose=0)[0, 0]) - load[524]) < 0.4


def test_several_inputs_and_outputs_from_arrays(stack: RunningStack, tmp_path):
    made = np.random.default_rng(4)
    grid, size = made.normal(size=(400, 6, 6)).astype(np.float32), made.normal(size=400).astype(np.float32)
    total = grid.sum((1, 2)) / 6 + size
    np.savez(tmp_path / "grids.npz", grid=grid, size=size, total=total, kind=(total > 0).astype(np.int64))
    model = {
        "inputs": {"picture": {}, "about": {}},
        "layers": [
            {"name": "flat", "type": "Flatten", "inputs": ["picture"]},
            {"name": "both", "type": "Concatenate", "inputs": ["flat", "about"]},
            {"name": "kind_of", "type": "Dense", "units": 2, "activation": "softmax", "inputs": ["both"]},
            {"name": "sum_of", "type": "Dense", "units": 1, "inputs": ["both"]},
        ],
        "outputs": ["kind_of", "sum_of"],
    }
    trained = Trained(
        stack,
        tmp_path / "grids.npz",
        data={
            "features": {"picture": ["grid"], "about": ["size"]},
            "target": {"kind_of": "kind", "sum_of": {"columns": ["total"]}},
        },
        model=model,
        loss={"kind_of": CLASSES, "sum_of": "mse"},
        metrics={"kind_of": ["accuracy"]},
        training={"epochs": 20, "seed": 7},
    )
    assert trained.last["val_kind_of_accuracy"] > 0.85
    predicted = trained.model().predict({"picture": grid[:5], "about": size[:5, None]}, verbose=0)
    assert np.abs(predicted["sum_of"][:, 0] - total[:5]).max() < 0.5


def test_what_is_wrong_with_a_file_or_its_columns_is_told_before_anything_trains(stack: RunningStack, tmp_path):
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("a,b\n1,2\n3,4,5\n", encoding="utf-8")
    with pytest.raises(InvalidDataset) as refused:
        stack.client.datasets.create(ragged)
    assert "Row 2" in refused.value.findings[0].message

    dataset = stack.client.datasets.create(stays(tmp_path / "stays.csv", rows=60))
    spec = {
        "dataset": {"source": {"id": dataset.id}, "target": "ratign", "features": ["age"]},
        "model": {"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]},
        "loss": CLASSES,
    }
    with pytest.raises(InvalidSpec) as refused:
        stack.client.jobs.create(spec)
    (finding,) = refused.value.findings
    assert (finding.pointer, finding.suggestion) == ("/dataset/target", "Did you mean 'rating'?")


def test_a_dataset_is_held_by_the_job_that_trains_on_it(stack: RunningStack, tmp_path):
    dataset = stack.client.datasets.create(stays(tmp_path / "stays.csv", rows=60))
    spec = {
        "dataset": {"source": {"id": dataset.id}, "target": "rating", "features": ["age"], "preprocess": "auto"},
        "model": {"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]},
        "loss": CLASSES,
        "training": {"epochs": 100_000},
    }
    job = stack.client.jobs.create(spec)
    with pytest.raises(DatasetInUse):
        stack.client.datasets.delete(dataset.id)
    stack.client.jobs.cancel(job.id)
    stack.client.jobs.wait(job.id, timeout=60)
    stack.client.datasets.delete(dataset.id)
