"""Spec files: the values, the refusals, and the way back from a pointer to a place."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbeam.cli.specfiles import Place, UnreadableSpec, parse_spec, read_spec

YAML = """\
name: digits
model:
  layers:
    - {type: Dense, units: 10}
    - type: Dens
      "uni/ts": 3
optimizer: {type: Adam, learning_rate: 1e-3}
"""


def test_numbers_words_and_nothing_are_as_in_json():
    text = (
        "a: [1, -2.5, .5, 1e-3, 1E5, 0x1f, 0o17, ~, null, true, FALSE]\nb: [no, on, 2026-01-01, 1:30, 1_000, '7', .nan]"
    )
    assert parse_spec(text, "f").document == {
        "a": [1, -2.5, 0.5, 0.001, 100_000.0, 31, 15, None, None, True, False],
        "b": ["no", "on", "2026-01-01", "1:30", "1_000", "7", ".nan"],
    }


def test_keys_are_words_even_when_they_look_like_numbers():
    assert parse_spec("class_weight: {0: 1.5, true: 2}", "f").document == {"class_weight": {"0": 1.5, "true": 2}}


def test_an_anchor_may_be_used_twice():
    assert parse_spec("a: &x {rate: 0.5}\nb: *x", "f").document == {"a": {"rate": 0.5}, "b": {"rate": 0.5}}


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3", "The key `a` stands here twice.", 3, 1),
        ('{"a": {"x": 1, "x": 2}}', "The key `x` stands here twice.", 1, 16),
        ("a: [1, 2", "Expected ',' or ']', but got '<stream end>'.", 1, 9),
        ("a: !!python/name:os.system x", "The tag `tag:yaml.org,2002:python/name:os.system` means nothing", 1, 4),
        ("a: &x [*x]", "This contains itself.", 1, 4),
        ("? [a]\n: 1", "A key has to be a word.", 1, 3),
    ],
)
def test_refusals_name_the_place(text: str, message: str, line: int, column: int):
    with pytest.raises(UnreadableSpec) as caught:
        parse_spec(text, "f")
    assert caught.value.message.startswith(message)
    assert caught.value.place is not None
    assert (caught.value.place.line, caught.value.place.column) == (line, column)


@pytest.mark.parametrize("text", ["", "- 1\n- 2", "just words", "# nothing but a comment", "a: \x01", "[" * 5000])
def test_what_is_no_mapping_is_refused(text: str):
    with pytest.raises(UnreadableSpec):
        parse_spec(text, "f")


@pytest.mark.parametrize(
    ("pointer", "key", "place"),
    [
        ("/name", False, Place(1, 7, 6)),
        ("/name", True, Place(1, 1, 4)),
        ("/model/layers/0/units", False, Place(4, 28, 2)),
        ("/model/layers/1/type", False, Place(5, 13, 4)),
        ("/model/layers/1/uni~1ts", True, Place(6, 7, 8)),
        ("/optimizer/learning_rate", False, Place(7, 40, 4)),
        ("/optimizer/missing", False, Place(7, 12, 33)),
        ("/model/layers/9", False, Place(4, 5, 1)),
        ("", False, Place(1, 1, 1)),
    ],
)
def test_a_pointer_leads_to_its_place(pointer: str, key: bool, place: Place):
    assert parse_spec(YAML, "f").locate(pointer, key=key) == place


def test_json_may_be_indented_with_tabs():
    spec = parse_spec('{\n\t"name": "a b",\n\t"loss": "mse"\n}', "f.json")
    assert spec.document == {"name": "a b", "loss": "mse"}
    assert spec.locate("/loss") == Place(3, 10, 5)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(UnreadableSpec, match=r"nowhere.yaml: No such file"):
        read_spec(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableSpec, match="not UTF-8"):
        read_spec(str(tmp_path / "binary"))


# YAML allows a key 1,024 characters; a spec's keys are words.
_keys = st.text(max_size=80)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_keys, _json, max_size=4))
def test_any_json_object_reads_as_json_does(document):
    read = parse_spec(json.dumps(document), "f.json").document
    assert _same(read, document)


def _same(one, other) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and (one == other or math.isclose(one, other))
