import json
from pathlib import Path

import pytest
import yaml

from hornbeam.components.catalog import load_catalogue
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from hornbeam.specs.remembered import Memory, Remembered
from schemas.catalog import ComponentKind

CATALOGUE = load_catalogue()
SETTINGS = Settings()
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
SPEC = {
    "dataset": {"source": {"builtin": "digits"}, "validation": {"fraction": 0.2}},
    "model": {"layers": [{"type": "Dense", "units": 10, "activation": "softmax"}]},
    "loss": "sparse_categorical_crossentropy",
    "training": {"seed": 7},
}


class Counting(Memory):
    """A memory that counts what it could tell."""

    def __init__(self):
        super().__init__()
        self.told = 0

    def find(self, key):
        found = super().find(key)
        self.told += found is not None
        return found


def examined(spec, memory=None, **options):
    return examine_body(json.dumps(spec).encode(), CATALOGUE, SETTINGS, memory=memory, **options)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_is_remembered_is_what_another_examination_finds(path):
    spec = yaml.safe_load(path.read_text())
    spec = {**spec, "training": {**spec.get("training", {}), "seed": 3}}
    memory = Counting()
    first, again, fresh = examined(spec, memory), examined(spec, memory), examined(spec)
    assert memory.told == 1
    assert first == again == fresh


def test_what_no_check_looks_at_is_each_spec_s_own():
    memory = Counting()
    examined(SPEC | {"name": "one", "metadata": {"team": "a"}}, memory)
    other = SPEC | {"name": "two", "priority": 3, "training": {"seed": 8}, "metadata": {"team": "b"}}
    assert examined(other, memory) == examined(other)
    assert memory.told == 1


def test_a_seed_that_is_left_out_is_drawn_each_time():
    memory = Memory()
    spec = SPEC | {"training": {}}
    drawn = [examined(spec, memory).spec for _ in range(4)]
    assert len({spec["training"]["seed"] for spec in drawn}) == 4
    assert all(spec["dataset"]["validation"]["seed"] == spec["training"]["seed"] for spec in drawn)


def test_a_spec_that_is_changed_afterwards_is_not_remembered_so():
    memory = Memory()
    examined(SPEC, memory).spec["model"]["layers"][0]["units"] = 99
    examined(SPEC, memory).spec["model"]["layers"][0]["units"] = 98
    assert examined(SPEC, memory).spec["model"]["layers"][0]["units"] == 10


@pytest.mark.parametrize("units", [10.0, True, "10", [10]])
def test_values_that_equal_each_other_in_python_are_told_apart(units):
    memory = Memory()
    assert not examined(SPEC, memory).has_errors
    spec = SPEC | {"model": {"layers": [{"type": "Dense", "units": units, "activation": "softmax"}]}}
    assert examined(spec, memory).has_errors


def test_only_specs_without_errors_are_remembered():
    memory = Counting()
    spec = SPEC | {"loss": "mean_squared_eror"}
    assert [examined(spec, memory).has_errors for _ in range(2)] == [True, True]
    assert memory.told == 0


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"priority": 1000}, "/priority"),
        ({"metadata": {"team": 1}}, "/metadata/team"),
        ({"training": {"seed": "3"}}, "/training/seed"),
    ],
)
def test_what_no_check_looks_at_must_have_its_shape_in_a_spec_that_was_seen_before(wrong, pointer):
    memory = Memory()
    examined(SPEC, memory)
    with pytest.raises(InvalidSpec) as refused:
        examined(SPEC | wrong, memory)
    assert [finding.pointer for finding in refused.value.findings] == [pointer]


def test_a_model_that_was_proven_by_itself_is_no_job():
    memory = Memory()
    spec = {**SPEC, "model": {**SPEC["model"], "input_shape": [64]}}
    del spec["dataset"]
    assert not examined(spec, memory, needs_dataset=False).has_errors
    found = examined(spec, memory).findings
    assert [finding.code for finding in found] == ["field.missing"]


def test_another_catalogue_is_another_question():
    memory = Counting()
    examined(SPEC, memory)
    entry = CATALOGUE.find(ComponentKind.LOSS, "MeanSquaredError").model_copy(update={"name": "Another", "aliases": []})
    body = json.dumps(SPEC).encode()
    examine_body(body, CATALOGUE.with_deployed([entry]), SETTINGS, memory=memory)
    assert memory.told == 0


def test_memory_is_bounded_in_number_and_in_size():
    memory = Memory(kept=2)
    for key in (b"a", b"b", b"c"):
        memory.keep(key, Remembered(b"spec", (), {}))
    memory.keep(b"d", Remembered(bytes(10**6), (), {}))
    assert [key for key in (b"a", b"b", b"c", b"d") if memory.find(key)] == [b"b", b"c"]
