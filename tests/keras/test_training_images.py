"""Folders of images: decoded, resized and scaled on the way into the model, and by the saved model itself."""

import io
import json

import keras
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from hornbeam.components.catalog import load_catalogue
from hornbeam.datasets.facts import ColumnFacts, DatasetFacts, as_json
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from schemas.problems import Severity
from schemas.stored_datasets import ColumnKind
from tests.keras.trainings import StopAfterAsking, resume_from
from workers.messages import PlanRequest, Succeeded
from workers.training import row_pipelines
from workers.training.columns import Column
from workers.training.data import load
from workers.training.proof import prove
from workers.training.room import Files

DATASET = f"ds_1{'0' * 25}"
ROWS = 60


def picture(label, number):
    """Bright ones and dark ones, of different sizes."""
    random = np.random.default_rng(number)
    size = (12 + number % 5, 10 + number % 3)
    low, high = (150, 256) if label == "day" else (0, 100)
    pixels = random.integers(low, high, (*size, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue(), pixels


LABELS = ["day" if number % 2 else "night" for number in range(ROWS)]
PICTURES = [picture(label, number) for number, label in enumerate(LABELS)]


def facts(shape=(None, None, 3)):
    columns = {
        "image": ColumnFacts(ColumnKind.IMAGE, "binary", shape),
        "label": ColumnFacts(ColumnKind.CATEGORY, "string", values=("day", "night"), counts=(30, 30)),
        "path": ColumnFacts(ColumnKind.TEXT, "string"),
    }
    return DatasetFacts("skies.zip", ROWS, columns, target="label", sha256="ab" * 32)


class Brought:
    def __init__(self, found):
        self.found = found

    def find(self, dataset_id):
        return self.found


@pytest.fixture
def table(tmp_path):
    paths = [f"{label}/{number}.png" for number, label in enumerate(LABELS)]
    table = pa.table({"image": pa.array([data for data, _ in PICTURES]), "label": LABELS, "path": paths})
    path = tmp_path / "table.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=16)
    return {DATASET: str(path)}


def examined(preprocess="auto", model=None, found=None, **dataset):
    spec = {
        "dataset": {"source": {"id": DATASET}, "validation": {"fraction": 0.2}, "preprocess": preprocess, **dataset},
        "model": model or {"input_shape": [8, 8, 3], "layers": ["Flatten", {"type": "Dense", "units": 2}]},
        "loss": {"type": "SparseCategoricalCrossentropy", "from_logits": True},
        "metrics": ["accuracy"],
        "optimizer": {"type": "Adam", "learning_rate": 0.1},
        "training": {"epochs": 10, "batch_size": 4, "seed": 7},
    }
    body = json.dumps(spec).encode()
    return examine_body(body, load_catalogue(), Settings(), datasets=Brought(found or facts()))


def errors(checked):
    return {(f.pointer, f.code) for f in checked.findings if f.severity is Severity.ERROR}


def test_images_are_resized_to_what_the_model_takes_and_scaled():
    checked = examined()
    assert errors(checked) == set()
    (chain,) = checked.spec["dataset"]["preprocess"].values()
    assert [(layer["type"], layer.get("height")) for layer in chain] == [("Resizing", 8), ("Rescaling", None)]
    answer = prove(PlanRequest(spec=checked.spec, max_parameters=10**6))
    assert answer.plan.parameters == 8 * 8 * 3 * 2 + 2


def test_images_of_different_sizes_go_into_no_model_as_they_are():
    (error,) = errors(examined(preprocess=None, model={"layers": ["Flatten", {"type": "Dense", "units": 2}]}))
    assert error == ("/dataset", "dataset.columns_unfit")


def test_the_saved_model_takes_pixels(train, table):
    model = {"input_shape": [8, 8, 3], "layers": ["GlobalAveragePooling2D", {"type": "Dense", "units": 2}]}
    trained = train(examined(model=model).spec, tables=table)
    assert trained.history[-1]["val_accuracy"] == 1.0
    model = keras.saving.load_model(trained.artifact("model.keras"))
    for number in (0, 1, 7):
        pixels = PICTURES[number][1].astype(np.float32)[None]
        assert int(np.argmax(model(pixels))) == (LABELS[number] == "night")


@pytest.mark.parametrize("room", [{"memory_bytes": 64}, {"memory_bytes": 64, "max_file_bytes": 2**20}])
def test_images_that_do_not_fit_into_memory_or_on_disk_train_alike(train, table, room):
    model = {"input_shape": [64, 64, 3], "layers": ["GlobalAveragePooling2D", {"type": "Dense", "units": 2}]}
    spec = examined(model=model).spec
    assert 4 * 48 * 64 * 64 * 3 > 2**20
    small, large = train(spec, tables=table), train(spec, tables=table, **room)
    assert len(small.history) == 10
    assert small.history == large.history


@pytest.mark.parametrize("room", [{"memory_bytes": 64}, {"memory_bytes": 64, "max_file_bytes": 2**20}])
def test_a_training_goes_on_within_an_epoch_wherever_its_images_are(train, table, room):
    model = {"input_shape": [64, 64, 3], "layers": ["GlobalAveragePooling2D", {"type": "Dense", "units": 2}]}
    checked = examined(model=model).spec
    spec = {**checked, "training": {**checked["training"], "batch_size": 7, "deterministic": True}}
    straight = train(spec, tables=table, **room)
    stopped = train(spec, tables=table, stop=StopAfterAsking(17), **room)

    resumed = train(spec, tables=table, resume=resume_from(stopped), **room)

    assert stopped.checkpoints[-1].step % 7, "it was stopped within an epoch of seven batches"
    assert stopped.history + resumed.history == straight.history


def test_large_images_are_decoded_few_at_once_and_train_alike(train, table, monkeypatch):
    spec = examined().spec
    many = train(spec, tables=table)
    monkeypatch.setattr(row_pipelines, "_BYTES_AT_ONCE", 7 * 8 * 8 * 3 * 4)

    assert train(spec, tables=table).history == many.history


def test_images_of_one_size_need_no_preprocessing(train, tmp_path, table):
    same = pa.table({"image": [PICTURES[0][0]] * ROWS, "label": LABELS, "path": LABELS})
    with pa.OSFile(table[DATASET], "wb") as file, pa.ipc.new_file(file, same.schema) as writer:
        writer.write_table(same, max_chunksize=16)
    height, width, _ = PICTURES[0][1].shape
    checked = examined(None, {"layers": ["Flatten", {"type": "Dense", "units": 2}]}, facts((height, width, 3)))
    assert checked.spec["model"]["input_shape"] == [height, width, 3]
    features = load(checked.spec, Files(table, tmp_path)).train.features
    assert isinstance(features, Column)
    assert np.array_equal(features[np.array([5])][0], PICTURES[0][1].astype(np.float32))
    assert len(train(checked.spec, tables=table).history) == 10


FLIPPED = [{"type": "RandomFlip", "mode": "horizontal"}, {"type": "RandomBrightness", "factor": 0.1}]
POOLED = {"input_shape": [8, 8, 3], "layers": ["GlobalAveragePooling2D", {"type": "Dense", "units": 2}]}


def test_images_of_another_size_validate_where_the_first_thing_is_a_resizing(train, table, tmp_path):
    other = f"ds_2{'0' * 25}"
    path = tmp_path / "same.arrow"
    same = pa.table({"image": [PICTURES[0][0]] * ROWS, "label": LABELS, "path": LABELS})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, same.schema) as writer:
        writer.write_table(same)
    resized = {"image": [{"type": "Resizing", "height": 8, "width": 8}]}
    validation = {"source": {"id": other}}
    spec = examined(resized, POOLED, facts((*PICTURES[0][1].shape,)), validation=validation).spec
    spec["dataset"]["validation"]["facts"] = as_json(facts())
    trained = train(spec, tables={DATASET: str(path), other: table[DATASET]})
    assert isinstance(trained.messages[-1], Succeeded), trained.messages[-1]


def test_augmentation_becomes_the_first_layers_of_the_model_and_acts_in_training_alone(train, table):
    spec = examined(model=POOLED, augment=FLIPPED).spec
    assert [layer["type"] for layer in spec["model"]["layers"]][:2] == ["RandomFlip", "RandomBrightness"]
    assert spec["dataset"]["augment"] == []
    plain, augmented = train(examined(model=POOLED).spec, tables=table), train(spec, tables=table)
    assert plain.history[0]["loss"] != augmented.history[0]["loss"]
    model = keras.saving.load_model(augmented.artifact("model.keras"))
    pixels = PICTURES[0][1].astype(np.float32)[None]
    assert np.array_equal(model.predict(pixels, verbose=0), model.predict(pixels, verbose=0))


@pytest.mark.parametrize(
    ("augment", "model", "error"),
    [
        (["Rescaling"], POOLED, ("/dataset/augment/0", "augment.not_random")),
        ([{"type": "RandomFlip", "mode": "sideways"}], POOLED, ("/dataset/augment/0/mode", "parameter.value")),
        (FLIPPED, {"application": "MobileNetV3Small"}, ("/dataset/augment", "augment.needs_layers")),
    ],
)
def test_what_can_not_augment(augment, model, error):
    assert error in errors(examined(model=model, augment=augment))


def test_findings_about_layers_behind_augmentation_point_to_what_was_posted():
    model = {**POOLED, "layers": [{"type": "Dense", "unts": 3}, *POOLED["layers"]]}
    assert ("/model/layers/0/unts", "parameter.unknown") in errors(examined(model=model, augment=FLIPPED))
    assert examined(model=POOLED, augment=FLIPPED).pointers["/model/layers/2"] == "/model/layers/0"
