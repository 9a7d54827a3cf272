import numpy as np
import pytest

from hornbeam.datasets.builtin import BUILTIN
from hornbeam.datasets.splits import Sizes, split_sizes
from schemas.datasets import BuiltinDataset
from schemas.jobs import ErrorOrigin
from workers.training.data import class_weights, load, order
from workers.training.failures import TrainingFailed


def spec(name="digits", validation=None, **training):
    return {
        "dataset": {"source": {"builtin": name}, "validation": validation},
        "model": {},
        "training": {"seed": 7, "class_weight": None, **training},
    }


@pytest.mark.parametrize("name", list(BuiltinDataset))
def test_rows_have_the_shape_and_type_that_the_facts_promise(name):
    data, facts = load(spec(name)), BUILTIN[name]

    assert data.validation is None
    assert data.train.features.shape == (facts.rows, *facts.feature_shape)
    assert data.train.features.dtype == np.float32
    assert data.train.labels.shape == (facts.rows,)
    assert data.train.labels.dtype == (np.float32 if facts.task == "regression" else np.int32)
    assert np.isfinite(data.train.features).all()


def test_split_holds_back_the_fraction_and_loses_no_row():
    whole, data = load(spec()), load(spec(validation={"fraction": 0.2, "stratify": False}))

    assert Sizes(len(data.train), len(data.validation)) == Sizes(1437, 360)
    assert split_sizes(spec(validation={"fraction": 0.2})["dataset"]) == Sizes(1437, 360)
    together = np.concatenate([data.train.features, data.validation.features])
    assert sorted(map(bytes, together)) == sorted(map(bytes, whole.train.features))


def test_stratified_split_keeps_the_proportions_of_the_classes():
    data = load(spec("wine", validation={"fraction": 0.25, "stratify": True}))

    train = np.bincount(data.train.labels) / len(data.train)
    validation = np.bincount(data.validation.labels) / len(data.validation)
    assert np.abs(train - validation).max() < 0.02


def test_split_depends_on_its_seed_alone():
    def validation_rows(**keys):
        data = load(spec(validation={"fraction": 0.2, "stratify": False, "seed": None, **keys}))
        return data.validation.features.tobytes()

    assert validation_rows() == validation_rows(seed=7)
    assert validation_rows(seed=7) != validation_rows(seed=8)


@pytest.mark.parametrize(
    ("name", "validation"),
    [("iris", {"fraction": 0.999, "stratify": True}), ("diabetes", {"fraction": 0.2, "stratify": True})],
)
def test_impossible_split_is_a_data_error_with_its_place(name, validation):
    with pytest.raises(TrainingFailed) as raised:
        load(spec(name, validation=validation))

    error = raised.value.error
    assert (error.origin, error.code) == (ErrorOrigin.DATA, "data.split_impossible")
    assert error.where.pointer == "/dataset/validation"


def test_order_of_rows_is_a_pure_function_of_seed_and_epoch():
    assert order(7, 3, 10).tolist() == order(7, 3, 10).tolist() == [3, 5, 4, 7, 8, 0, 9, 2, 1, 6]
    assert order(7, 3, 1000).tolist() != order(7, 4, 1000).tolist()
    assert order(7, 3, 1000).tolist() != order(8, 3, 1000).tolist()
    assert sorted(order(7, 3, 1000)) == list(range(1000))


def test_balanced_weights_make_every_class_count_the_same():
    labels = np.array([0] * 6 + [1] * 3 + [2])

    weights = class_weights(labels, 3, "balanced")

    assert np.allclose(np.bincount(labels, weights), 10 / 3)
    assert weights.dtype == np.float32


def test_a_mapping_weighs_its_classes_and_leaves_the_others_at_one():
    labels = np.array([0, 1, 2, 1])

    assert class_weights(labels, 3, {"1": 2.5}).tolist() == [1.0, 2.5, 1.0, 2.5]


@pytest.mark.parametrize(
    ("classes", "wanted", "code"),
    [
        (3, {"3": 2.0}, "class_weight.unknown_class"),
        (3, {"setosa": 2.0}, "class_weight.unknown_class"),
        (None, "balanced", "class_weight.no_classes"),
    ],
)
def test_weights_without_a_class_are_a_spec_error(classes, wanted, code):
    with pytest.raises(TrainingFailed) as raised:
        class_weights(np.array([0, 1]), classes, wanted)

    assert (raised.value.error.origin, raised.value.error.code) == (ErrorOrigin.SPEC, code)


def test_digest_is_that_of_the_whole_dataset_whatever_the_split():
    assert load(spec("iris")).digest == load(spec("iris", validation={"fraction": 0.5})).digest
    assert load(spec("iris")).digest != load(spec("wine")).digest


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_that_are_drawn_are_the_same_for_a_seed_and_can_be_learnt(task):
    synthetic = {"task": task, "rows": 200, "columns": 3, "classes": 3, "noise": 0.1, "seed": 5}
    source = {"synthetic": synthetic}
    first, again = (load({**spec(), "dataset": {"source": source, "validation": None}}) for _ in range(2))
    other = load({**spec(), "dataset": {"source": {"synthetic": {**synthetic, "seed": 6}}}})
    assert np.array_equal(first.train.features, again.train.features)
    assert np.array_equal(first.train.labels, again.train.labels)
    assert not np.array_equal(first.train.features, other.train.features)
    assert first.digest == again.digest
    assert first.digest != other.digest
    assert first.train.features.shape == (200, 3)
    if task == "classification":
        assert set(first.train.labels) == {0, 1, 2}
    else:
        design = np.c_[first.train.features, np.sin(3 * first.train.features[:, 0])]
        residual = np.linalg.lstsq(design, first.train.labels, rcond=None)[1]
        assert np.sqrt(residual[0] / 200) == pytest.approx(0.1, abs=0.02)


DRAWN = {"task": "classification", "rows": 20, "columns": 2, "classes": 1, "noise": 0, "seed": 0}


@pytest.mark.parametrize(
    ("source", "target", "first"),
    [
        ({"builtin": "iris"}, "petal width (cm)", "setosa"),
        (
            {"synthetic": {"task": "classification", "rows": 20, "columns": 2, "classes": 1, "noise": 0, "seed": 0}},
            "x0",
            "0",
        ),
    ],
)
def test_the_label_of_a_dataset_may_be_text_that_goes_in(source, target, first):
    dataset = {"source": source, "features": ["label"], "target": target, "validation": None}
    data = load({**spec(), "dataset": dataset})
    assert data.train.features[0].tolist() == [first]
    assert data.train.labels.dtype == np.float32
