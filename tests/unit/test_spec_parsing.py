import json
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbeam.components.catalog import load_catalogue
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body
from hornbeam.specs.findings import MOST_FINDINGS
from hornbeam.specs.parsing import parse, shaped
from schemas.training import JobSpec

SPEC = {
    "dataset": {"source": {"builtin": "digits"}},
    "model": {"layers": [{"type": "Dense", "units": 10}]},
    "loss": "mse",
}
CATALOGUE = load_catalogue()


@dataclass(frozen=True)
class Limits:
    max_body_bytes: int = 2**20
    max_nesting: int = 10


def read(body, limits):
    """The document, the spec, and what was found."""
    document, report = parse(body, limits)
    return document, shaped(document, report), report


def findings_of(body: bytes | dict, limits: Limits = Limits()):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = findings_or_none(lambda: read(data, limits)[2].findings)
    assert found
    return list(found)


def findings_or_none(attempt):
    """What an attempt returns, or the findings of what it raises."""
    try:
        return attempt()
    except InvalidSpec as error:
        return error.findings


def spec_of(body: bytes, limits) -> JobSpec:
    """The spec in a body that has nothing wrong."""
    _, spec, report = read(body, limits)
    assert report.findings == ()
    return spec


def test_a_good_spec_is_read():
    spec = spec_of(json.dumps(SPEC).encode(), Limits())

    assert isinstance(spec, JobSpec)
    assert spec.loss.type == "mse"
    assert spec.model.layers[0].model_extra == {"units": 10}


def test_settings_are_limits():
    assert spec_of(json.dumps(SPEC).encode(), Settings()) == spec_of(json.dumps(SPEC).encode(), Limits())


def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_not():
    body = json.dumps(SPEC).encode()

    spec_of(body, Limits(max_body_bytes=len(body)))
    assert findings_of(body + b" ", Limits(max_body_bytes=len(body)))[0].code == "body.too_large"


def test_nesting_is_bounded_exactly():
    spec = {**SPEC, "model": {"layers": [{"type": "Dense", "units": 10, "x": [[[[1]]]]}]}}
    body = json.dumps(spec).encode()

    spec_of(body, Limits(max_nesting=8))
    assert findings_of(body, Limits(max_nesting=7))[0].code == "json.too_deep"


def test_no_setting_lets_the_parser_run_out_of_stack():
    assert findings_of(b"[" * 100_000, Limits(max_nesting=10**9))[0].code == "json.too_deep"


IRIS = {"builtin": "iris"}


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 50_000, b'"' + b'\\"' * 500_000, b'{"\\"' * 200_000, b"]" * 100_000]
)
@pytest.mark.timeout(30)
def test_hostile_bodies_do_not_keep_the_process_busy(body):
    assert findings_of(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a": 1,}', "line 1, column 9"),
        (b'{\n "a": tru\n}', "line 2, column 7"),
        (b"\xff\xfe", "byte 0"),
        (b'{"a": "\xc3("}', "byte 7"),
    ],
)
def test_malformed_json_is_told_where(body, words):
    (finding,) = findings_of(body)

    assert finding.pointer == ""
    assert words in finding.message


def test_a_byte_order_mark_is_told():
    (finding,) = findings_of(b"\xef\xbb\xbf{}")

    assert "byte order mark" in finding.suggestion


@pytest.mark.parametrize(
    ("change", "pointer", "code", "suggestion"),
    [
        ({"trainig": {}}, "/trainig", "field.unknown", "'training'"),
        ({"epochs": 3}, "/epochs", "field.unknown", "training.epochs"),
        ({"batch_size": 3}, "/batch_size", "field.unknown", "training.batch_size"),
        ({"lr": 3}, "/lr", "field.unknown", "optimizer"),
        ({"validation_split": 0.1}, "/validation_split", "field.unknown", "dataset.validation.fraction"),
        ({"zzz": 3}, "/zzz", "field.unknown", "There is: name, dataset"),
        ({"training": {"epoch": 3}}, "/training/epoch", "field.unknown", "'epochs'"),
        ({"training": {"epochs": "10"}}, "/training/epochs", "field.type", "Write 10 without quotes"),
        ({"training": {"epochs": -1}}, "/training/epochs", "field.value", None),
        ({"training": {"epochs": 1.5}}, "/training/epochs", "field.type", None),
        ({"training": {"shuffle": 1}}, "/training/shuffle", "field.type", None),
        ({"training": {"class_weight": "balancd"}}, "/training/class_weight", "field.value", "'balanced'"),
        ({"training": {"class_weight": {"0": -1}}}, "/training/class_weight/0", "field.value", None),
        ({"training": {"class_weight": [1]}}, "/training/class_weight", "field.value", None),
        ({"training": {"dtype_policy": "float23"}}, "/training/dtype_policy", "field.value", "'float32'"),
        ({"dataset": {"source": {"builtin": "digit"}}}, "/dataset/source/builtin", "field.value", "'digits'"),
        ({"model": {"layers": []}}, "/model/layers", "field.value", None),
        ({"model": {"layers": "Dense"}}, "/model/layers", "field.type", "Write ['Dense']"),
        ({"dataset": {"source": IRIS, "features": "a"}}, "/dataset/features", "field.type", "Write ['a']"),
        ({"dataset": {"source": IRIS, "target": ["a"]}}, "/dataset/target", "field.type", "Write 'a'"),
        ({"model": {"layers": [3]}}, "/model/layers/0", "field.type", None),
        ({"model": []}, "/model", "field.type", None),
        ({"loss": None}, "/loss", "field.type", None),
        ({"metadata": {"a": 1}}, "/metadata/a", "field.type", None),
        ({"metadata": {str(number): "" for number in range(17)}}, "/metadata", "field.value", None),
        ({"name": "a\nb"}, "/name", "field.value", None),
        ({"callbacks": {"type": "EarlyStopping"}}, "/callbacks", "field.type", None),
    ],
)
def test_each_mistake_has_its_pointer_code_and_suggestion(change, pointer, code, suggestion):
    (finding,) = findings_of({**SPEC, **change})

    assert (finding.pointer, finding.code) == (pointer, code)
    assert suggestion is None or suggestion in finding.suggestion


def test_a_target_with_a_typo_is_no_target_for_each_output():
    target = {"column": ["a"], "kind": "classes"}
    found = findings_of({**SPEC, "dataset": {"source": IRIS, "target": target}})
    assert [(finding.pointer, finding.suggestion) for finding in found] == [
        ("/dataset/target", None),
        ("/dataset/target/column", "Did you mean 'columns'?"),
    ]


def test_an_output_may_be_called_kind():
    target = {"kind": "numbers", "price": "price"}
    body = json.dumps({**SPEC, "dataset": {"source": IRIS, "target": target}}).encode()
    assert findings_or_none(lambda: read(body, Limits())[2].findings) == ()


def test_a_missing_field_points_at_the_object_that_lacks_it():
    findings = findings_of({"dataset": {}, "model": {}})

    assert [(finding.pointer, finding.code) for finding in findings] == [
        ("/dataset", "field.missing"),
        ("/model", "field.missing"),
        ("", "field.missing"),
    ]


def test_duplicate_keys_do_not_hide_other_mistakes():
    body = b'{"dataset": {"source": {"builtin": "x"}}, "model": {"layers": ["Flatten"]}, "loss": "mse", "loss": "mae"}'

    assert {finding.code for finding in findings_of(body)} == {"json.duplicate_key", "field.value"}


def test_a_key_that_cannot_be_written_down_is_told_at_its_object():
    body = json.dumps(SPEC).encode()[:-1] + b', "metadata": {"a": {"\\ud800": "x", "\\u0000": "y"}}}'

    findings = [finding for finding in findings_of(body) if finding.code == "json.bad_text"]
    assert {finding.pointer for finding in findings} == {"/metadata/a"}
    for finding in findings:
        finding.model_dump_json().encode()


def test_the_first_hundred_mistakes_are_listed():
    findings = findings_of({**SPEC, **{f"x{number}": 1 for number in range(500)}})

    assert len(findings) == MOST_FINDINGS + 1
    assert findings[-1].code == "findings.more"


@pytest.mark.timeout(30)
def test_a_body_full_of_mistakes_does_not_keep_the_process_busy():
    body = json.dumps({**SPEC, "model": {"layers": [{"type": f"Dense{n}", f"unts{n}": 1} for n in range(20_000)]}})
    with pytest.raises(InvalidSpec):
        check_body(body.encode(), CATALOGUE, Settings())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(
    [
        *JobSpec.model_fields,
        "type",
        "layers",
        "units",
        "layer",
        "cells",
        "learning_rate",
        "epochs",
        "input_shape",
        "a/b",
    ]
)
TYPES = st.sampled_from(
    ["Dense", "Bidirectional", "Pipeline", "RNN", "Adam", "mse", "acc", "EarlyStopping", "relu", ""]
)
SPEC_LIKE = st.recursive(
    JSON | TYPES | st.integers(-3, 10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=30,
)


def examine(body: bytes) -> None:
    """Both raise InvalidSpec or nothing, and what they say can be sent."""
    for attempt in (
        lambda: read(body, Limits())[2].findings,
        lambda: check_body(body, CATALOGUE, Settings()).findings,
    ):
        for finding in findings_or_none(attempt):
            finding.model_dump_json().encode("utf-8")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_invalid_spec(body):
    examine(body)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_arbitrary_json_raises_nothing_but_invalid_spec(document):
    examine(json.dumps(document).encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, SPEC_LIKE, max_size=6))
def test_spec_like_json_raises_nothing_but_invalid_spec(changes):
    examine(json.dumps({**SPEC, **changes}).encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.dictionaries(NAMES, SPEC_LIKE, max_size=5).map(lambda found: {"type": "Dense", **found}), min_size=1)
)
def test_layer_like_json_raises_nothing_but_invalid_spec(layers):
    examine(json.dumps({**SPEC, "model": {"layers": layers}}).encode("utf-8", "surrogatepass"))
