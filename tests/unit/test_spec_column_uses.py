"""Columns that are there, and unfit for what a spec uses them for."""

import json

import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.datasets.facts import ColumnFacts, DatasetFacts
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from hornbeam.specs.column_graph import usual_chain
from hornbeam.specs.walking import components
from schemas.problems import Severity
from schemas.stored_datasets import ColumnKind

CATALOGUE, SETTINGS = load_catalogue(), Settings()
BROUGHT, OTHER = (f"ds_{digit}{'0' * 25}" for digit in "12")


def category(*values, counts, **facts):
    return ColumnFacts(ColumnKind.CATEGORY, "string", values=values, counts=counts, **facts)


COLUMNS = {
    "age": ColumnFacts(ColumnKind.NUMBER, "double"),
    "hours": ColumnFacts(ColumnKind.NUMBER, "double"),
    "lost": ColumnFacts(ColumnKind.NUMBER, "double", missing=3),
    "day": ColumnFacts(ColumnKind.DATETIME, "timestamp[us]", missing=1),
    "good": ColumnFacts(ColumnKind.BOOLEAN, "bool", values=(False, True), counts=(50, 50)),
    "change": ColumnFacts(ColumnKind.NUMBER, "int64", values=(-1, 0, 1), counts=(30, 30, 40)),
    "city": category("Bern", "Rome", counts=(40, 60)),
    "rare": category("Bern", "Rome", "Ur", counts=(40, 59, 1)),
    "note": ColumnFacts(ColumnKind.TEXT, "string"),
    "image": ColumnFacts(ColumnKind.IMAGE, "binary", (8, 8, 3)),
    "torn": ColumnFacts(ColumnKind.IMAGE, "binary", (8, 8, 3), missing=2),
    "grid": ColumnFacts(ColumnKind.ARRAY, "float", (2, 3)),
}
MODEL = {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]}
OF_IMAGES = {"layers": ["Flatten", *MODEL["layers"]]}
TWO_OUTPUTS = {
    "inputs": {"x": {}},
    "layers": [
        {"name": "place", "type": "Dense", "units": 2, "activation": "softmax", "inputs": ["x"]},
        {"name": "time", "type": "Dense", "units": 1, "inputs": ["x"]},
    ],
    "outputs": ["place", "time"],
}
LOSSES = {"place": "sparse_categorical_crossentropy", "time": "mse"}
PLAIN = {"features": ["age", "hours"], "target": "city"}


class Brought:
    def __init__(self, other):
        self._found = {
            BROUGHT: DatasetFacts("made.csv", 100, COLUMNS),
            OTHER: DatasetFacts("other.csv", 20, {**COLUMNS, **other}),
        }

    def find(self, dataset_id):
        return self._found.get(dataset_id)


def examined(dataset, model=MODEL, loss="sparse_categorical_crossentropy", other=(), **parts):
    spec = {"model": model, "loss": loss, **parts, "dataset": {"source": {"id": BROUGHT}, **dataset}}
    return examine_body(json.dumps(spec).encode(), CATALOGUE, SETTINGS, datasets=Brought(dict(other)))


def errors(*arguments, **parts):
    found = examined(*arguments, **parts).findings
    return {(finding.pointer, finding.code) for finding in found if finding.severity is Severity.ERROR}


@pytest.mark.parametrize(
    ("dataset", "where"),
    [
        ({"features": ["age", "hours", "age"], "target": "city"}, "/dataset/features/2"),
        ({"features": {"x": ["age", "age"]}, "target": "city"}, "/dataset/features/x/1"),
        ({"features": ["age"], "target": {"columns": ["hours", "hours"]}}, "/dataset/target/columns/1"),
        ({"features": ["age"], "target": {"a": {"columns": ["hours", "hours"]}}}, "/dataset/target/a/columns/1"),
    ],
)
def test_a_column_stands_once_in_a_list(dataset, where):
    assert (where, "dataset.column_twice") in errors(dataset)


@pytest.mark.parametrize("weights", ["note", "city", "day", "image", "grid", "change"])
def test_weights_are_numbers_from_0_on(weights):
    assert ("/dataset/weights", "dataset.weights_unfit") in errors({**PLAIN, "weights": weights})


@pytest.mark.parametrize("weights", ["hours", "good"])
def test_rows_may_be_left_out_by_a_boolean_weight(weights):
    assert errors({"features": ["age"], "target": "city", "weights": weights}) == set()


@pytest.mark.parametrize("field", ["group", "time"])
@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("image", "split.column_unfit"),
        ("grid", "split.column_unfit"),
        ("lost", "split.missing_values"),
        ("day", "split.missing_values"),
    ],
)
def test_rows_are_split_by_values_that_are_there(field, column, code):
    assert errors({**PLAIN, "validation": {"fraction": 0.2, field: column}}) == {(f"/dataset/validation/{field}", code)}


@pytest.mark.parametrize("column", ["age", "note", "image"])
def test_a_column_whose_values_are_not_listed_marks_no_part(column):
    marked = {**PLAIN, "test": {"column": column, "value": 1}}
    assert errors(marked) == {("/dataset/test/column", "split.column_unfit")}


def test_one_row_is_not_in_two_parts():
    marked = {"column": "good", "value": True}
    assert ("/dataset/test", "split.same_rows") in errors({**PLAIN, "test": marked, "validation": marked})


def test_a_class_of_one_row_is_in_no_two_parts():
    split = {"fraction": 0.2, "stratify": True}
    assert errors({"features": ["age"], "target": "rare", "validation": split}) == {
        ("/dataset/validation/stratify", "split.rare_class")
    }


def test_one_hot_labels_are_classes_too():
    split = {"fraction": 0.2, "stratify": True}
    dataset = {"features": ["age"], "target": {"columns": ["city"], "kind": "one_hot"}, "validation": split}
    training = {"class_weight": {"1": 2.0}}
    assert errors(dataset, loss="categorical_crossentropy", training=training) == set()


def test_a_number_to_predict_has_no_classes_whatever_else_the_dataset_has():
    iris = {"source": {"builtin": "iris"}, "features": ["petal width (cm)"], "target": "sepal length (cm)"}
    split = {"fraction": 0.2, "stratify": True}
    assert errors({**iris, "validation": split}, loss="mse", training={"class_weight": "balanced"}) == {
        ("/dataset/validation/stratify", "split.needs_classes"),
        ("/training/class_weight", "class_weight.no_classes"),
    }


def test_a_label_is_there_or_not():
    labels = {"features": ["age"], "target": {"columns": ["good", "change"], "kind": "multi_label"}}
    (finding,) = examined(labels, loss="binary_crossentropy").findings
    assert finding.code == "dataset.target_unfit"
    assert "'change' has -1" in finding.message


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ({"place": "city"}, {("/dataset/target", "dataset.target_missing")}),
        ({"place": "city", "time": "age", "tim": "age"}, {("/dataset/target/tim", "dataset.unknown_output")}),
        ({"place": "city", "time": "age"}, set()),
    ],
)
def test_every_output_predicts_something_and_nothing_else_does(target, found):
    assert errors({"features": ["hours"], "target": target}, TWO_OUTPUTS, LOSSES) == found


def test_layers_in_order_predict_one_thing():
    target = {"place": "city", "time": "age"}
    assert errors({"features": ["hours"], "target": target}) == {("/dataset/target", "dataset.unknown_output")}
    assert errors({"features": ["hours"], "target": {"place": "city"}}) == set()


def test_what_is_to_be_predicted_does_not_go_in_beside_other_columns():
    def codes(features, target, **dataset):
        found = examined({"features": features, "target": target, **dataset}, loss="mse").findings
        return [finding.code for finding in found if finding.pointer == "/dataset/features"]

    assert codes(["age", "hours"], "hours") == ["dataset.target_is_feature"]
    assert codes(["age", "hours"], "hours", window={"length": 3, "horizon": 0}) == ["dataset.target_is_feature"]
    assert codes(["age", "hours"], "hours", window={"length": 3}) == []
    assert codes(["age", "hours"], {"columns": ["age", "hours"]}) == []


def test_numbers_that_are_missing_among_the_features_are_told():
    def codes(model=MODEL, **dataset):
        return [f.code for f in examined({"features": ["age", "lost"], "target": "city", **dataset}, model).findings]

    assert codes() == ["dataset.missing_values"]
    assert codes(preprocess={"age": "auto"}) == ["dataset.missing_values"]
    assert codes(preprocess="auto") == []
    assert codes({"layers": ["hornbeam>Imputation", *MODEL["layers"]]}) == []


def test_images_are_all_there():
    missing = {("/dataset/features", "dataset.missing_values")}
    assert errors({"features": ["torn"], "target": "city"}, OF_IMAGES) == missing
    other = {"features": ["image"], "target": "city", "test": {"source": {"id": OTHER}}}
    assert errors(other, OF_IMAGES, other={"image": COLUMNS["torn"]}) == {
        ("/dataset/test/source", "dataset.missing_values")
    }


def test_images_of_another_dataset_have_the_size_of_the_trainings_unless_they_are_brought_to_it():
    larger = {"image": ColumnFacts(ColumnKind.IMAGE, "binary", (16, 16, 3))}
    dataset = {"features": ["image"], "target": "city", "test": {"source": {"id": OTHER}}}
    refused = {("/dataset/test/source", "dataset.other_kind")}
    assert errors(dataset, OF_IMAGES, other=larger) == refused
    assert errors({**dataset, "preprocess": "auto"}, OF_IMAGES, other=larger) == refused
    resized = {"image": [{"type": "Resizing", "height": 8, "width": 8}]}
    assert errors({**dataset, "preprocess": resized}, OF_IMAGES, other=larger) == set()


def test_categories_that_are_too_many_to_be_listed_are_told_apart():
    (layer,) = usual_chain(ColumnFacts(ColumnKind.CATEGORY, "string"))
    assert layer["max_tokens"] == 2000


def test_layers_before_the_model_are_components_of_the_spec():
    """A worker that lacks one of them can't train it."""
    spec = examined({**PLAIN, "preprocess": {"age": ["hornbeam>Imputation"]}}).spec
    assert ("/dataset/preprocess/age/0", "hornbeam>Imputation") in {
        (where, component["type"]) for where, component in components(spec)
    }
