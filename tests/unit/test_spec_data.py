import json

import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.datasets.facts import ColumnFacts, DatasetFacts, as_json, facts_of, with_facts, without_facts
from hornbeam.datasets.splits import Sizes, split_sizes
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from hornbeam.specs.data import dataset_ids
from hornbeam.specs.remembered import Memory
from schemas.problems import Severity
from schemas.stored_datasets import ColumnKind

CATALOGUE = load_catalogue()
SETTINGS = Settings()
ADULTS, OTHERS, IMAGES, SERIES, CHANGED = (f"ds_{digit}{'0' * 25}" for digit in "12345")
NUMBER = ColumnFacts(ColumnKind.NUMBER, "double")
INCOMES = ("<=50K", ">50K")
COLUMNS = {
    "age": ColumnFacts(ColumnKind.NUMBER, "int64"),
    "hours": NUMBER,
    "city": ColumnFacts(ColumnKind.CATEGORY, "string", values=("Bern", "Rome"), counts=(40, 60)),
    "note": ColumnFacts(ColumnKind.TEXT, "string"),
    "part": ColumnFacts(ColumnKind.CATEGORY, "string", values=("test", "train"), counts=(30, 70)),
    "patient": ColumnFacts(ColumnKind.NUMBER, "int64"),
    "weight": NUMBER,
    "lost": ColumnFacts(ColumnKind.NUMBER, "double", missing=3),
    "stars": ColumnFacts(ColumnKind.NUMBER, "int64", values=(1, 2, 3), counts=(20, 30, 50)),
    "income": ColumnFacts(ColumnKind.CATEGORY, "string", values=INCOMES, counts=(75, 25)),
}
BROUGHT = {
    ADULTS: DatasetFacts("adults.csv", 100, COLUMNS, sha256="ab"),
    OTHERS: DatasetFacts("others.csv", 20, COLUMNS, sha256="cd"),
    IMAGES: DatasetFacts(
        "cats.zip",
        60,
        {
            "image": ColumnFacts(ColumnKind.IMAGE, "binary", (32, 32, 3)),
            "label": ColumnFacts(ColumnKind.CATEGORY, "string", values=("cat", "dog"), counts=(30, 30)),
            "path": ColumnFacts(ColumnKind.TEXT, "string"),
        },
        target="label",
    ),
    SERIES: DatasetFacts("load.csv", 50, {"load": NUMBER, "temperature": NUMBER}),
}
MODEL = {"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]}
NUMERIC = {"features": ["age", "hours"], "target": "income"}


class Brought:
    """What clients have brought."""

    def find(self, dataset_id):
        return BROUGHT.get(dataset_id)


def examined(dataset, dataset_id=ADULTS, *, model=MODEL, **parts):
    spec = {"model": model, "loss": "sparse_categorical_crossentropy", **parts}
    spec["dataset"] = {"source": {"id": dataset_id}, **dataset}
    return examine_body(json.dumps(spec).encode(), CATALOGUE, SETTINGS, datasets=Brought())


def errors(*arguments, **parts):
    found = examined(*arguments, **parts).findings
    return {(finding.pointer, finding.code) for finding in found if finding.severity is Severity.ERROR}


def test_a_spec_may_name_the_columns_of_a_dataset_that_a_client_brought():
    checked = examined(NUMERIC)
    assert checked.findings == ()
    assert checked.spec["model"]["input_shape"] == [2]
    assert facts_of(checked.spec["dataset"]).rows == 100


def test_facts_go_with_the_question_and_not_on_record():
    spec = examined({**NUMERIC, "validation": {"source": {"id": OTHERS}}}).spec
    bare = without_facts(spec)
    assert dataset_ids(bare["dataset"]) == [ADULTS, OTHERS]
    assert "facts" not in bare["dataset"]
    assert "facts" not in bare["dataset"]["validation"]
    assert bare["dataset"]["source"] == {"id": ADULTS}
    assert "facts" in spec["dataset"]
    assert with_facts(bare, {name: as_json(facts) for name, facts in BROUGHT.items()}) == spec


def test_there_must_be_such_a_dataset():
    assert errors(NUMERIC, f"ds_{'9' * 26}") == {("/dataset/source/id", "dataset.not_found")}
    other = {**NUMERIC, "test": {"source": {"id": f"ds_{'9' * 26}"}}}
    assert errors(other) == {("/dataset/test/source/id", "dataset.not_found")}


def test_what_a_dataset_was_is_not_remembered():
    body = json.dumps({"model": MODEL, "loss": "mse", "dataset": {"source": {"id": ADULTS}, **NUMERIC}}).encode()
    memory = Memory()
    examine_body(body, CATALOGUE, SETTINGS, datasets=Brought(), memory=memory)
    found = examine_body(body, CATALOGUE, SETTINGS, memory=memory).findings
    assert [finding.code for finding in found] == ["dataset.not_found"]


@pytest.mark.parametrize(
    ("dataset", "where"),
    [
        ({"features": ["age", "huors"], "target": "income"}, "/dataset/features/1"),
        ({"features": {"x": ["agee"]}, "target": "income"}, "/dataset/features/x/0"),
        ({"features": ["age"], "target": "incom"}, "/dataset/target"),
        ({"features": ["age"], "target": {"columns": ["age", "incom"]}}, "/dataset/target/columns/1"),
        ({"features": ["age"], "target": {"out": "incom"}}, "/dataset/target/out"),
        ({**NUMERIC, "weights": "wieght"}, "/dataset/weights"),
        ({**NUMERIC, "validation": {"fraction": 0.2, "group": "pateint"}}, "/dataset/validation/group"),
        ({**NUMERIC, "test": {"column": "prt", "value": "test"}}, "/dataset/test/column"),
    ],
)
def test_a_column_that_is_not_there_is_told_with_what_was_meant(dataset, where):
    found = [finding for finding in examined(dataset).findings if finding.code == "dataset.unknown_column"]
    assert [finding.pointer for finding in found] == [where]
    assert found[0].suggestion.startswith("Did you mean")


def test_what_is_predicted_must_be_said_where_no_column_is_the_label():
    (finding,) = [f for f in examined({"features": ["age"]}).findings if f.code == "dataset.target_missing"]
    assert finding.suggestion == "Add dataset.target: income, or the column that is to be predicted."
    assert examined({}, IMAGES, model={"layers": ["Flatten", *MODEL["layers"]]}).findings == ()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("note", "text with too many values"),
        ({"columns": ["income", "city"], "kind": "classes"}, "2 columns can't be one label"),
        ({"columns": ["age", "note"]}, "'note' is text, and no number"),
        ({"columns": ["hours"], "kind": "one_hot"}, "too many values"),
    ],
)
def test_not_every_column_can_be_predicted(target, why):
    (finding,) = examined({"features": ["age"], "target": target}).findings
    assert finding.code == "dataset.target_unfit"
    assert why in finding.message


@pytest.mark.parametrize("dataset", [{"features": ["age", "city"]}, {}])
def test_numbers_and_text_do_not_go_into_one_input(dataset):
    (finding,) = examined({**dataset, "target": "income"}).findings
    assert (finding.pointer, finding.code) == ("/dataset/features" if dataset else "/dataset", "dataset.columns_unfit")
    assert "'age' is a number, and 'city' is category" in finding.message


def test_text_goes_into_an_input_of_its_own():
    vectorized = {"type": "TextVectorization", "vocabulary": ["good", "bad"], "output_mode": "multi_hot"}
    model = {
        "inputs": {"numbers": {}, "text": {}},
        "layers": [
            {"name": "words", "inputs": ["text"], **vectorized},
            {"name": "both", "type": "Concatenate", "inputs": ["numbers", "words"]},
            {"name": "out", "type": "Dense", "units": 2, "activation": "softmax"},
        ],
    }
    features = {"numbers": ["age", "hours"], "text": ["note"]}
    checked = examined({"features": features, "target": "income"}, model=model)
    assert checked.findings == ()
    assert checked.spec["model"]["inputs"] == {
        "numbers": {"shape": [2], "dtype": "float32"},
        "text": {"shape": [1], "dtype": "string"},
    }


def test_windows_add_an_axis_and_count_fewer_examples():
    dataset = {"target": {"columns": ["load"]}, "features": ["load", "temperature"], "window": {"length": 8}}
    model = {"layers": [{"type": "LSTM", "units": 3}, {"type": "Dense", "units": 1}]}
    spec = examined({**dataset, "validation": {"fraction": 0.4}}, SERIES, model=model, loss="mse").spec
    assert spec["model"]["input_shape"] == [8, 2]
    # 30 rows train: the first window ends at row 8, its target is row 9, and the last target is row 30.
    assert split_sizes(spec["dataset"]) == Sizes(train=22, validation=12)


@pytest.mark.parametrize(
    ("split", "where", "code"),
    [
        ({"fraction": 0.2, "stratify": True, "group": "patient"}, "/group", "split.contradiction"),
        ({"column": "part", "value": "dev"}, "/value", "split.no_rows"),
        ({"fraction": 0.999}, "/fraction", "split.too_few_rows"),
    ],
)
def test_splits_that_can_not_be(split, where, code):
    assert (f"/dataset/validation{where}", code) in errors({**NUMERIC, "validation": split})


def test_rows_that_a_column_marks_are_counted():
    spec = examined({**NUMERIC, "test": {"column": "part", "value": "test"}, "validation": {"fraction": 0.1}}).spec
    assert split_sizes(spec["dataset"]) == Sizes(train=60, validation=10, test=30)


def test_labels_without_a_value_are_found_before_the_training():
    assert errors({"features": ["age"], "target": "lost"}, loss="mse") == {
        ("/dataset/target", "dataset.missing_labels")
    }


def test_rows_without_a_value_are_counted_and_the_first_is_named():
    def told(rows, **column):
        return DatasetFacts("a.csv", rows, {"a": ColumnFacts(ColumnKind.NUMBER, **column)}).rows_without("a")

    assert told(100, missing=1, first_missing=51) == "1 of 100 rows (row 51) has"
    assert told(2000, missing=1200, first_missing=7) == "1,200 of 2,000 rows (the first: row 7) have"
    assert told(9, missing=2) == "2 of 9 rows have"  # from before rows were named


def test_classes_of_a_column_can_be_weighed_by_their_numbers():
    assert errors(NUMERIC, training={"class_weight": {"1": 3.0}}) == set()
    (finding,) = examined(NUMERIC, training={"class_weight": {">50K": 3.0}}).findings
    assert finding.suggestion == "1 is '>50K'."
    assert errors({**NUMERIC, "target": "hours"}, training={"class_weight": "balanced"}) == {
        ("/training/class_weight", "class_weight.no_classes")
    }


def other(columns, **facts):
    """The findings about another dataset to test on, with these columns in place of its own."""
    changed = {name: column for name, column in {**COLUMNS, **columns}.items() if column is not None}
    BROUGHT[CHANGED] = DatasetFacts("changed.csv", facts.get("rows", 20), changed)
    return errors({**NUMERIC, "test": {"source": {"id": CHANGED}}})


def test_another_dataset_needs_the_columns_that_are_used_and_no_other():
    assert other({}) == set()
    assert other({"city": None, "note": None, "weight": None}) == set()
    assert other({"hours": None}) == {("/dataset/test/source", "dataset.unknown_column")}
    assert other({"income": None}) == {("/dataset/test/source", "dataset.unknown_column")}


def test_columns_of_another_dataset_are_of_the_same_kind():
    text = ColumnFacts(ColumnKind.TEXT, "string")
    assert other({"hours": text}) == {("/dataset/test/source", "dataset.other_kind")}
    assert other({"hours": ColumnFacts(ColumnKind.NUMBER, "int64")}) == set()


def test_classes_of_another_dataset_are_known():
    def income(*values, **facts):
        return {"income": ColumnFacts(ColumnKind.CATEGORY, "string", values=values, **facts)}

    assert other(income(">50K")) == set()
    assert other(income(">50K", "a lot")) == {("/dataset/test/source", "dataset.unseen_classes")}
    assert other(income(*INCOMES, missing=2)) == {("/dataset/test/source", "dataset.missing_labels")}


def test_rows_that_are_drawn_to_test_on_are_bounded_too():
    """Before anything is drawn."""
    drawn = {"synthetic": {"rows": 10_000_000, "columns": 1000, "task": "regression"}}
    assert ("/dataset/test/source/synthetic/rows", "dataset.too_large") in errors(
        {**NUMERIC, "test": {"source": drawn}}
    )
