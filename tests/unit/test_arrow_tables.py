import json

import numpy as np
import pyarrow as pa
import pytest

from hornbeam.datasets.facts import ColumnFacts, DatasetFacts, as_json
from schemas.stored_datasets import ColumnKind
from workers.training.arrow_tables import ArrowTable
from workers.training.columns import Column, in_memory
from workers.training.data import load
from workers.training.failures import TrainingFailed
from workers.training.room import Files, Room

DATASET, OTHER = (f"ds_{digit}{'0' * 25}" for digit in "12")
ROWS = 50
NUMBERS = np.random.default_rng(3).normal(size=(ROWS, 2))
GRIDS = np.arange(ROWS * 6, dtype=np.float32).reshape(ROWS, 2, 3)
CITIES = ["Rome", "Bern", "Oslo"]
FACTS = DatasetFacts(
    "made.csv",
    ROWS,
    {
        "a": ColumnFacts(ColumnKind.NUMBER, "double"),
        "b": ColumnFacts(ColumnKind.NUMBER, "double"),
        "day": ColumnFacts(ColumnKind.NUMBER, "int64"),
        "good": ColumnFacts(ColumnKind.BOOLEAN, "bool", values=(False, True), counts=(25, 25)),
        "city": ColumnFacts(ColumnKind.CATEGORY, "string", values=("Bern", "Oslo", "Rome"), counts=(17, 16, 17)),
        "note": ColumnFacts(ColumnKind.TEXT, "string", missing=1),
        "grid": ColumnFacts(ColumnKind.ARRAY, "float", (2, 3)),
    },
    sha256="ab" * 32,
)


def write(path, **changes):
    columns = {
        "a": pa.array(NUMBERS[:, 0]),
        "b": pa.array(NUMBERS[:, 1]),
        "day": pa.array(np.arange(ROWS)[::-1]),
        "good": pa.array([row % 2 == 1 for row in range(ROWS)]),
        "city": pa.array([CITIES[row % 3] for row in range(ROWS)]),
        "note": pa.array([None if row == 7 else f"note {row}" for row in range(ROWS)]),
        "grid": pa.FixedSizeListArray.from_arrays(pa.array(GRIDS.reshape(-1)), 6),
        **changes,
    }
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=16):
            writer.write_batch(batch)
    return str(path)


@pytest.fixture
def loaded(tmp_path):
    """Load what a spec says of the table."""

    def of(memory_bytes=0, disk_bytes=2**40, model=None, other=None, **dataset):
        spec = {
            "dataset": {"source": {"id": DATASET}, "facts": as_json(FACTS), **dataset},
            "model": model or {},
            "training": {"seed": 7, "class_weight": dataset.pop("class_weight", None)},
        }
        spec = json.loads(json.dumps(spec))
        tables = {DATASET: write(tmp_path / "table.arrow")}
        if other is not None:
            tables[OTHER] = write(tmp_path / "other.arrow", **other)
        return load(spec, Files(tables, tmp_path, memory_bytes, disk_bytes))

    return of


def test_numbers_stand_side_by_side_in_the_order_of_the_spec(loaded):
    data = loaded(features=["b", "good", "a"], target="city")
    expected = np.stack([NUMBERS[:, 1], np.arange(ROWS) % 2, NUMBERS[:, 0]], axis=1).astype(np.float32)
    assert data.train.features.dtype == np.float32
    assert np.array_equal(data.train.features, expected)
    assert data.train.labels.tolist() == [[2, 0, 1][row % 3] for row in range(ROWS)]
    assert data.digest == FACTS.sha256


def test_arrays_keep_their_shape(loaded):
    assert np.array_equal(loaded(features=["grid"], target="a").train.features, GRIDS)


def test_text_that_is_missing_is_empty(loaded):
    texts = loaded(features=["note"], target="a").train.features
    assert texts.shape == (ROWS, 1)
    assert texts[7, 0] == ""
    assert texts[8, 0] == "note 8"


def test_text_that_memory_has_no_room_for_is_read_as_it_is_asked_for(loaded):
    whole, large = (loaded(memory, features=["note", "city"], target="a").train.features for memory in (2**20, 64))
    assert isinstance(large, Column)
    assert (large.shape, large.dtype) == (whole.shape, whole.dtype)
    wanted = np.array([40, 7, 8, 3, 49, 7])
    assert large[wanted].tolist() == whole[wanted].tolist()


@pytest.fixture
def counting_pool():
    """Where Arrow takes its memory from: it knows how much that was."""
    usual, counting = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(counting)
    yield counting
    pa.set_memory_pool(usual)


def test_rows_of_a_large_table_are_gathered_without_a_copy_of_it(tmp_path, counting_pool):
    rows = 200_000
    values = pa.table({"a": np.arange(rows, dtype=np.float64)})
    path = tmp_path / "large.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, values.schema) as writer:
        writer.write_table(values, max_chunksize=10_000)
    facts = DatasetFacts("large.csv", rows, {"a": FACTS.columns["a"]})
    column = ArrowTable(path, facts, Room(Files(scratch=tmp_path, memory_bytes=1, disk_bytes=1))).numbers(["a"])
    wanted = np.array([150_000, 3, 199_999, 3, 10_000])
    gathered = column[wanted]
    assert gathered[:, 0].tolist() == wanted.tolist()
    assert counting_pool.max_memory() < 100_000 < values.nbytes


@pytest.mark.parametrize(
    ("target", "shape", "dtype", "row_4"),
    [
        ("a", (ROWS,), np.float32, NUMBERS[4, 0]),
        ("good", (ROWS,), np.int32, 0),
        ({"columns": ["a", "b"]}, (ROWS, 2), np.float32, NUMBERS[4]),
        ({"columns": ["city"], "kind": "one_hot"}, (ROWS, 3), np.float32, [1, 0, 0]),
        ({"columns": ["good", "day"], "kind": "multi_label"}, (ROWS, 2), np.float32, [0, 45]),
        ("grid", (ROWS, 2, 3), np.float32, GRIDS[4]),
    ],
)
def test_labels_are_what_the_target_says(loaded, target, shape, dtype, row_4):
    labels = loaded(features=["a"], target=target).train.labels
    assert (labels.shape, labels.dtype) == (shape, dtype)
    assert np.allclose(labels[4], row_4)


def test_several_inputs_and_outputs(loaded):
    model = {"inputs": {"x": {}, "y": {}}, "outputs": {"one": "one", "two": "two"}}
    target = {"one": "city", "two": {"columns": ["b"]}}
    data = loaded(features={"x": ["a"], "y": ["grid"]}, target=target, model=model)
    assert {name: array.shape for name, array in data.train.features.items()} == {"x": (ROWS, 1), "y": (ROWS, 2, 3)}
    assert {name: array.shape for name, array in data.train.labels.items()} == {"one": (ROWS,), "two": (ROWS, 1)}


def test_what_is_too_large_for_memory_is_gathered_from_a_file_and_the_same(loaded):
    small, large = (
        loaded(memory, features=["a", "b"], target="city", validation={"fraction": 0.3}) for memory in (0, 64)
    )
    assert isinstance(large.train.features, Column)
    larger = loaded(64, 64, features=["a", "b"], target="city", validation={"fraction": 0.3})
    assert np.array_equal(in_memory(larger.train.features), small.train.features)
    arrays = loaded(64, 64, features=["grid"], target="city").train.features
    assert np.array_equal(arrays[np.array([3, 1, 40])], GRIDS[[3, 1, 40]])
    assert large.train.features.shape == small.train.features.shape
    assert np.array_equal(in_memory(large.train.features), small.train.features)
    assert np.array_equal(large.validation.features[np.array([3, 1])], small.validation.features[[3, 1]])


def test_groups_stay_together(loaded):
    data = loaded(features=["a"], target="b", validation={"fraction": 0.3, "group": "city"})
    cities = [{CITIES[row % 3] for row in part} for part in (data.parts.train, data.parts.validation)]
    assert cities[0].isdisjoint(cities[1])
    assert sum(map(len, cities)) == 3


def test_the_last_by_time_are_held_back(loaded):
    data = loaded(features=["a"], target="b", test={"fraction": 0.2, "time": "day"})
    assert data.parts.test.tolist() == list(range(10))  # days count down


def test_a_column_says_who_is_tested(loaded):
    data = loaded(features=["a"], target="b", test={"column": "city", "value": "Oslo"}, validation={"fraction": 0.1})
    assert data.parts.test.tolist() == [row for row in range(ROWS) if row % 3 == 2]
    assert len(data.validation) == 5
    together = np.concatenate([data.parts.train, data.parts.validation, data.parts.test])
    assert sorted(together) == list(range(ROWS))


def test_test_rows_stay_the_same_under_another_validation(loaded):
    parts = [
        loaded(features=["a"], target="b", test={"fraction": 0.2}, validation=validation).parts.test.tolist()
        for validation in (None, {"fraction": 0.2}, {"fraction": 0.4, "seed": 3})
    ]
    assert parts[0] == parts[1] == parts[2]


def test_windows_are_rows_that_follow_each_other(loaded):
    window = {"length": 4, "stride": 3, "horizon": 2}
    data = loaded(features=["a", "b"], target="a", window=window, validation={"fraction": 0.2})
    for number, (features, label) in enumerate(zip(data.train.features, data.train.labels, strict=True)):
        first = number * 3
        assert np.allclose(features, NUMBERS[first : first + 4])
        assert np.isclose(label, NUMBERS[first + 5, 0])
    assert len(data.train) == (40 - 4 - 2) // 3 + 1
    assert np.allclose(data.validation.features[0], NUMBERS[40:44])


def test_another_dataset_validates_with_the_classes_of_the_first(loaded):
    facts = as_json(FACTS)
    other = {"source": {"id": OTHER}, "facts": facts}
    data = loaded(features=["a"], target="city", validation=other, other={"city": pa.array(["Oslo"] * ROWS)})
    assert set(data.validation.labels.tolist()) == {1}
    with pytest.raises(TrainingFailed) as raised:
        loaded(features=["a"], target="city", validation=other, other={"city": pa.array(["Oslo", "Lima"] * 25)})
    assert raised.value.error.code == "data.unseen_class"
    assert "Row 2 of made.csv has 'Lima'" in raised.value.error.message


def test_a_matrix_on_disk_outlives_the_room_that_it_was_made_in(tmp_path):
    files = Files(scratch=tmp_path, memory_bytes=1)
    numbers = np.arange(10, dtype=np.float32).reshape(5, 2)
    kept = Room(files)(numbers.shape)
    kept.write(0, numbers)
    for _ in range(5):
        Room(files)(numbers.shape)
    assert np.array_equal(kept[np.arange(5)], numbers)


def test_matrices_share_the_memory(tmp_path):
    room = Room(Files(scratch=tmp_path, memory_bytes=4 * 25))
    in_memory = [room((rows, 1)) is None for rows in (10, 10, 10, 5, 1)]
    assert in_memory == [True, True, False, True, False]


def test_a_matrix_that_no_file_may_hold_is_made_anew_when_memory_is_taken(loaded):
    data = loaded(
        4 * ROWS * 6,
        4,
        features={"one": ["grid"], "two": ["a"]},
        model={"inputs": {"one": {}, "two": {}}},
        target="city",
    )
    assert [type(column).__name__ for column in data.train.features.values()] == ["ndarray", "Chosen"]
    assert np.allclose(in_memory(data.train.features["two"])[:, 0], NUMBERS[data.parts.train, 0])


def test_a_column_is_read_without_those_beside_it(tmp_path):
    table = pa.table({"wide": np.zeros(2**18), "day": pa.array([1, 2] * 2**17, pa.int8())})
    path = tmp_path / "wide.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    facts = DatasetFacts("wide.csv", 2**18, {"day": ColumnFacts(ColumnKind.NUMBER, "int8")})
    before = pa.total_allocated_bytes()

    days = ArrowTable(path, facts, Room(Files())).keys("day")

    assert days[:2].tolist() == [1, 2]
    assert pa.total_allocated_bytes() - before <= days.nbytes


def test_rows_are_weighed_by_a_column_in_training_alone(loaded):
    data = loaded(features=["a"], target="city", weights="day", validation={"fraction": 0.2})
    assert data.train.weights.tolist() == [ROWS - 1 - row for row in data.parts.train]
    assert data.validation.weights is None


def test_a_target_that_is_not_finite_is_told_with_its_row(loaded, tmp_path):
    column = NUMBERS[:, 0].copy()
    column[11] = np.inf
    other = {"source": {"id": OTHER}, "facts": as_json(FACTS)}
    with pytest.raises(TrainingFailed) as raised:
        loaded(features=["b"], target="a", test=other, other={"a": pa.array(column)})
    assert raised.value.error.code == "data.target_not_finite"
    assert raised.value.error.message.startswith("Row 12 ")


def test_classes_without_a_training_row_are_told_in_the_log(loaded, caplog):
    loaded(features=["a"], target="city", validation={"column": "city", "value": "Oslo"})
    assert caplog.messages == ["no training row has 'Oslo' in 'city'"]


def test_a_weight_that_is_negative_is_told_with_its_row(loaded):
    first = int(np.flatnonzero(NUMBERS[:, 0] < 0)[0])
    with pytest.raises(TrainingFailed) as raised:
        loaded(features=["b"], target="city", weights="a")
    assert raised.value.error.code == "data.weight_unfit"
    assert raised.value.error.message.startswith(f"Row {first + 1} ")


def test_zeros_and_ones_of_another_dataset_are_the_booleans_of_the_first(loaded):
    other = {"source": {"id": OTHER}, "facts": as_json(FACTS)}
    values = [row % 2 for row in range(ROWS)]
    data = loaded(features=["a"], target="good", test=other, other={"good": pa.array(values)})
    assert data.test.labels.tolist() == values
