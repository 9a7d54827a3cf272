"""Columns that go through layers before the model: learnt from the training rows, and saved before the model."""

import json

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from hornbeam.components.catalog import load_catalogue
from hornbeam.datasets.facts import ColumnFacts, DatasetFacts
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from schemas.problems import Severity
from schemas.stored_datasets import ColumnKind
from tests.keras.trainings import StopAfterAsking, resume_from
from workers.messages import Failed, PlanRequest, Succeeded
from workers.training.data import load
from workers.training.proof import prove
from workers.training.room import Files

DATASET = f"ds_1{'0' * 25}"
ROWS = 240
CITIES = ("Bern", "Oslo", "Rome")


def made():
    """Rows in which the label depends on a number that is sometimes missing, a city and a word."""
    random = np.random.default_rng(5)
    age = random.uniform(18, 80, ROWS)
    city = random.choice(CITIES, ROWS)
    note = np.where(random.random(ROWS) < 0.5, "a good stay", "a bad stay")
    label = np.where((age > 45) & (city != "Rome") | (note == "a good stay"), "yes", "no")
    return {
        "age": pa.array(np.where(random.random(ROWS) < 0.1, np.nan, age), from_pandas=True),
        "city": pa.array(city),
        "note": pa.array(note),
        "member": pa.array(random.random(ROWS) < 0.5),
        "label": pa.array(label),
    }


COLUMNS = made()
FACTS = DatasetFacts(
    "stays.csv",
    ROWS,
    {
        "age": ColumnFacts(ColumnKind.NUMBER, "double", missing=COLUMNS["age"].null_count),
        "city": ColumnFacts(ColumnKind.CATEGORY, "string", values=CITIES, counts=(80, 80, 80)),
        "note": ColumnFacts(ColumnKind.TEXT, "string"),
        "member": ColumnFacts(ColumnKind.BOOLEAN, "bool", values=(False, True), counts=(120, 120)),
        "label": ColumnFacts(ColumnKind.CATEGORY, "string", values=("no", "yes"), counts=(60, 180)),
    },
    target="label",
    sha256="ab" * 32,
)
SPEC = {
    "dataset": {"source": {"id": DATASET}, "validation": {"fraction": 0.25}, "preprocess": "auto"},
    "model": {"layers": [{"type": "Dense", "units": 8, "activation": "relu"}, {"type": "Dense", "units": 2}]},
    "loss": {"type": "SparseCategoricalCrossentropy", "from_logits": True},
    "optimizer": {"type": "Adam", "learning_rate": 0.02},
    "metrics": ["accuracy"],
    "training": {"epochs": 30, "batch_size": 16, "seed": 7},
}


class Brought:
    def __init__(self, found):
        self._found = found

    def find(self, dataset_id):
        return self._found if dataset_id == DATASET else None


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.arrow"
    table = pa.table(COLUMNS)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=50)
    return {DATASET: str(path)}


def examined(found=FACTS, **changes):
    body = json.dumps({**SPEC, **changes}).encode()
    return examine_body(body, load_catalogue(), Settings(), datasets=Brought(found))


def with_chains(preprocess, **dataset):
    return examined(dataset={**SPEC["dataset"], **dataset, "preprocess": preprocess})


def errors(checked):
    return {(f.pointer, f.code) for f in checked.findings if f.severity is Severity.ERROR}


def test_what_is_usual_for_each_column_is_spelled_out():
    chains = examined().spec["dataset"]["preprocess"]
    assert {column: [layer["type"] for layer in chain] for column, chain in chains.items()} == {
        "age": ["hornbeam>Imputation", "Normalization"],
        "city": ["StringLookup"],
        "note": ["TextVectorization"],
        "member": [],
    }
    assert chains["city"][0]["max_tokens"] == 4


def test_the_echoed_spec_can_be_posted_again():
    spec = examined().spec
    again = {name: value for name, value in spec["dataset"].items() if name != "facts"}
    assert with_chains(again["preprocess"]).spec["dataset"]["preprocess"] == spec["dataset"]["preprocess"]


@pytest.mark.parametrize(
    ("preprocess", "error"),
    [
        ({"agee": "auto"}, ("/dataset/preprocess/agee", "preprocess.no_feature")),
        ({"label": "auto"}, ("/dataset/preprocess/label", "preprocess.no_feature")),
        ({"city": ["Normalization"]}, ("/dataset/preprocess/city/0", "preprocess.wants_text")),
        ({"age": ["Normalisation"]}, ("/dataset/preprocess/age/0", "component.unknown")),
        ({"age": [{"type": "Rescaling", "scal": 2}]}, ("/dataset/preprocess/age/0/scal", "parameter.unknown")),
        (
            {"city": [{"type": "StringLookup", "output_mode": "one_hot"}]},
            ("/dataset/preprocess/city/0", "layer.unknown_size"),
        ),
        (
            {"city": [{"type": "StringLookup", "vocabulary": "/etc/passwd"}]},
            ("/dataset/preprocess/city/0/vocabulary", "parameter.type"),
        ),
    ],
)
def test_chains_are_checked_as_layers_are(preprocess, error):
    assert error in errors(with_chains(preprocess))


def test_the_model_is_proven_on_what_the_chains_give():
    checked = examined()
    assert errors(checked) == set()
    answer = prove(PlanRequest(spec=checked.spec, max_parameters=10**6))
    assert [finding for finding in answer.findings if finding.severity is Severity.ERROR] == []
    # 1 age, 3 cities and one for others, 2,000 words, 1 member; a bias each.
    assert answer.plan.layers[0].parameters == (1 + 4 + 2000 + 1 + 1) * 8
    steps = [(layer.pointer, layer.type, layer.output_shape) for layer in answer.plan.preprocess]
    assert steps[:3] == [
        ("/dataset/preprocess/age/0", "hornbeam>Imputation", [None, 1]),
        ("/dataset/preprocess/age/1", "Normalization", [None, 1]),
        ("/dataset/preprocess/city/0", "StringLookup", [None, 4]),
    ]
    assert steps[-1] == ("/dataset/preprocess", "Concatenate", [None, 2006])


def test_a_chain_that_does_not_fit_is_told_where_it_stands():
    checked = with_chains({"age": ["TextVectorization"]}, features=["age"])
    answer = prove(PlanRequest(spec=checked.spec, max_parameters=10**6))
    assert {finding.pointer for finding in answer.findings} == {"/dataset/preprocess/age/0"}


@pytest.mark.parametrize(
    ("column", "chain", "code"),
    [
        ("note", ["TextVectorization"], "preprocess.size_varies"),
        ("age", ["Normalization", {"type": "Dense", "units": 3}], "preprocess.untrained"),
    ],
)
def test_chains_give_rows_of_one_size_and_need_no_training(column, chain, code):
    model = {"layers": ["Flatten", {"type": "Dense", "units": 2}]}
    dataset = {**SPEC["dataset"], "features": [column], "preprocess": {column: chain}}
    answer = prove(PlanRequest(spec=examined(dataset=dataset, model=model).spec, max_parameters=10**6))
    where = f"/dataset/preprocess/{column}/{len(chain) - 1}"
    assert [(finding.pointer, finding.code) for finding in answer.findings] == [(where, code)]


def test_text_that_only_the_model_takes_apart_goes_in_as_it_is(train, table):
    words = {"type": "TextVectorization", "vocabulary": ["good", "bad"], "output_mode": "multi_hot"}
    model = {
        "inputs": {"numbers": {}, "words": {}},
        "layers": [
            {"name": "counted", "inputs": ["words"], **words},
            {"name": "both", "type": "Concatenate", "inputs": ["numbers", "counted"]},
            {"name": "out", "type": "Dense", "units": 2},
        ],
    }
    dataset = {
        **SPEC["dataset"],
        "features": {"numbers": ["age"], "words": ["note"]},
        "preprocess": {"age": "auto"},
    }
    checked = examined(model=model, dataset=dataset, training={**SPEC["training"], "epochs": 1})
    assert errors(checked) == set()
    for memory in (0, 64):
        trained = train(checked.spec, tables=table, memory_bytes=memory)
        assert isinstance(trained.messages[-1], Succeeded), trained.messages[-1]


def test_text_that_memory_has_no_room_for_trains_alike(train, table):
    dataset = {**SPEC["dataset"], "features": ["note", "city"]}
    spec = examined(dataset=dataset, training={**SPEC["training"], "epochs": 2}).spec
    small, large = (train(spec, tables=table, memory_bytes=memory) for memory in (0, 4096))
    assert isinstance(large.messages[-1], Succeeded), large.messages[-1]
    assert small.epochs[-1].metrics == large.epochs[-1].metrics


def test_a_column_may_be_called_like_the_model(train, tmp_path):
    path = tmp_path / "named.arrow"
    table = pa.table({"sequential": COLUMNS["member"].cast("int8"), "label": COLUMNS["label"]})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    columns = {"sequential": ColumnFacts(ColumnKind.NUMBER, "int8"), "label": FACTS.columns["label"]}
    facts = DatasetFacts("named.csv", ROWS, columns, target="label", sha256="cd" * 32)
    checked = examined(found=facts, training={**SPEC["training"], "epochs": 1})
    trained = train(checked.spec, tables={DATASET: str(path)})
    assert isinstance(trained.messages[-1], Succeeded), trained.messages[-1]


def test_the_saved_model_takes_raw_columns(train, table):
    trained = train(examined().spec, tables=table)
    assert isinstance(trained.messages[-1], Succeeded), trained.messages[-1]
    model = keras.saving.load_model(trained.artifact("model.keras"))
    given = {
        "age": np.array([[70.0], [20.0], [np.nan]], np.float32),
        "city": np.array([["Bern"], ["Rome"], ["Lima"]], object),
        "note": np.array([["a bad stay"], ["a bad stay"], ["a good stay"]], object),
        "member": np.array([[1.0], [0.0], [0.0]], np.float32),
    }
    logits = model({name: tf.constant(values) for name, values in given.items()})
    assert np.argmax(logits, axis=1).tolist() == [1, 0, 1]


def test_layers_learn_from_the_training_rows_alone(train, table):
    spec = with_chains({"age": "auto"}, features=["age"]).spec
    trained = train(spec, tables=table)
    model = keras.saving.load_model(trained.artifact("model.keras"))
    fill = model.get_layer("age_imputation").fill.numpy()
    ages = np.array(COLUMNS["age"].to_numpy(zero_copy_only=False))
    train_rows = load(spec, Files(table)).parts.train
    assert np.isclose(fill[0], np.nanmean(ages[train_rows]), rtol=1e-5)
    assert not np.isclose(fill[0], np.nanmean(ages), rtol=1e-7)


def test_matrices_that_memory_has_no_room_for_train_alike(train, table):
    small = train(examined(training={**SPEC["training"], "epochs": 2}).spec, tables=table)
    large = train(examined(training={**SPEC["training"], "epochs": 2}).spec, tables=table, memory_bytes=4096)
    assert small.epochs[-1].metrics == large.epochs[-1].metrics


def test_an_input_of_its_own_for_text(train, table):
    model = {
        "inputs": {"numbers": {}, "words": {}},
        "layers": [
            {"name": "embedded", "type": "Embedding", "input_dim": 20, "output_dim": 4, "inputs": ["words"]},
            {"name": "pooled", "type": "GlobalAveragePooling1D", "inputs": ["embedded"]},
            {"name": "both", "type": "Concatenate", "inputs": ["numbers", "pooled"]},
            {"name": "out", "type": "Dense", "units": 2},
        ],
    }
    words = {"type": "TextVectorization", "max_tokens": 20, "output_sequence_length": 6}
    dataset = {
        **SPEC["dataset"],
        "features": {"numbers": ["age", "member"], "words": ["note"]},
        "preprocess": {"age": "auto", "note": [words]},
    }
    checked = examined(model=model, dataset=dataset, training={**SPEC["training"], "epochs": 2})
    assert errors(checked) == set()
    trained = train(checked.spec, tables=table)
    assert not isinstance(trained.messages[-1], Failed), trained.messages[-1]


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(train, table):
    spec = examined(training={**SPEC["training"], "epochs": 4, "deterministic": True}).spec
    whole = train(spec, tables=table)
    stopped = train(spec, tables=table, stop=StopAfterAsking(30))
    resumed = train(spec, tables=table, resume=resume_from(stopped))
    assert resumed.history[-1] == whole.history[-1]


def test_windows_of_a_series_are_preprocessed_too(train, table):
    dataset = {
        "features": ["age", "city"],
        "target": {"columns": ["member"], "kind": "numbers"},
        "window": {"length": 5},
        "preprocess": "auto",
    }
    model = {"layers": [{"type": "LSTM", "units": 3}, {"type": "Dense", "units": 1}]}
    parts = {"model": model, "loss": "mse", "metrics": ["mae"], "training": {**SPEC["training"], "epochs": 1}}
    checked = examined(dataset={**SPEC["dataset"], **dataset}, **parts)
    assert errors(checked) == set()
    answer = prove(PlanRequest(spec=checked.spec, max_parameters=10**6))
    assert [finding for finding in answer.findings if finding.severity is Severity.ERROR] == []
    assert answer.plan.layers[0].output_shape == [None, 3]
    trained = train(checked.spec, tables=table)
    assert not isinstance(trained.messages[-1], Failed), trained.messages[-1]
    model = keras.saving.load_model(trained.artifact("model.keras"))
    given = {"age": tf.zeros((2, 5, 1)), "city": tf.constant([[["Bern"]] * 5] * 2)}
    assert model(given).shape == (2, 1)
