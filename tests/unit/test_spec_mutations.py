"""Whatever is done to a model that was right, it is examined to the end: findings, and never another exception."""

import copy
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbeam.components.catalog import load_catalogue
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from hornbeam.specs.graphs import evaluation_order

CATALOGUE = load_catalogue()
LIMITS = Settings()
WINE = {"source": {"builtin": "wine"}, "features": {"a": ["hue"], "b": ["ash", "alcohol"]}}
GRAPH = {
    "inputs": {"a": {}, "b": {"shape": [2]}},
    "layers": [
        {"name": "x", "type": "Dense", "units": 2, "inputs": ["a"]},
        {"name": "y", "shared": "x", "inputs": ["b:0"]},
        {"name": "z", "model": {"layers": [{"type": "Dense", "units": 2}]}, "inputs": ["x"], "trainable": False},
        {
            "name": "w",
            "type": "MultiHeadAttention",
            "num_heads": 1,
            "key_dim": 2,
            "inputs": {"query": "y", "value": "z"},
        },
        {"name": "u", "type": "TimeDistributed", "layer": {"type": "Dense", "units": 2, "name": "t"}, "inputs": ["x"]},
        {"name": "v", "type": "Add", "inputs": ["w", "z"], "call": {"training": True}},
    ],
    "outputs": {"out": "v", "side": "x"},
}


def dense(name, source):
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0], "shape": [None, 3]}}
    activation = {"class_name": "function", "config": "relu"}
    config = {"units": 3, "activation": activation, "name": name, "dtype": {"config": {"name": "float32"}}}
    nodes = [{"args": [tensor], "kwargs": {"training": None}}, {"args": [[tensor]], "kwargs": {}}]
    return {"class_name": "Dense", "module": "keras.layers", "name": name, "config": config, "inbound_nodes": nodes}


APPLICATION = {"application": "MobileNetV3Small", "input_shape": [32, 32, 3], "classes": 3, "layers": [{"units": 1}]}
KERAS_JSON = {
    "class_name": "Functional",
    "config": {
        "layers": [
            {"class_name": "InputLayer", "name": "in", "config": {"batch_shape": [None, 3]}, "inbound_nodes": []},
            dense("one", "in"),
            dense("two", "one"),
        ],
        "input_layers": [["in", 0, 0]],
        "output_layers": [["two", 0, 0]],
    },
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 99)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["x", "a", "v", "in", "one:1", "Dense", "Functional", "InputLayer", "__keras_tensor__", "b:99"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "inputs", "shared", "model", "layers", "class_name", "config"]), inner
        )
    ),
    max_leaves=6,
)


def places(value, path=()):
    """The paths to everything inside a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def mutated(document, choices, values):
    """A copy in which some places hold something else."""
    changed = copy.deepcopy(document)
    for choice, value in zip(choices, values, strict=True):
        paths = list(places(changed))[1:]
        if not paths:
            break
        *parents, last = paths[choice % len(paths)]
        node = changed
        for key in parents:
            node = node[key]
        node[last] = value
    return changed


MUTATIONS = st.integers(1, 3).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, 10_000), min_size=count, max_size=count), st.lists(JSON, min_size=count, max_size=count)
    )
)


def examined(model):
    spec = {"dataset": WINE, "model": model, "loss": {"out": "mse", "side": "mae"}, "training": {"seed": 1}}
    try:
        return examine_body(json.dumps(spec).encode(), CATALOGUE, LIMITS)
    except InvalidSpec:
        return None


def test_what_is_mutated_is_right():
    assert not examined(GRAPH).has_errors
    assert examined({"keras_json": KERAS_JSON}) is not None


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(MUTATIONS)
def test_a_mutated_graph_is_examined(mutation):
    checked = examined(mutated(GRAPH, *mutation))

    if checked is not None and not checked.has_errors and "layers" in checked.spec["model"]:
        model = checked.spec["model"]
        assert len(evaluation_order(model)) == len(model["layers"])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(MUTATIONS)
def test_mutated_keras_json_is_examined(mutation):
    examined({"keras_json": mutated(KERAS_JSON, *mutation)})


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(MUTATIONS)
def test_a_mutated_application_is_examined(mutation):
    examined(mutated(APPLICATION, *mutation))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(JSON)
def test_any_json_may_claim_to_be_keras(value):
    examined({"keras_json": value})
