"""Graphs, shared and nested layers, applications, several outputs: how they are spelled out, and what is refused."""

import json

import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body, examine_body
from hornbeam.specs.graphs import evaluation_order
from schemas.problems import Severity

CATALOGUE = load_catalogue()
SETTINGS = Settings()
WINE = {"source": {"builtin": "wine"}, "validation": {"fraction": 0.2}}
TWO_INPUTS = {**WINE, "features": {"taste": ["alcohol", "malic_acid"], "look": ["hue", "color_intensity", "ash"]}}
DENSE = {"type": "Dense", "units": 3}
SOFTMAX = {"type": "Dense", "units": 3, "activation": "softmax"}
BRANCHES = {
    "inputs": {"taste": {}, "look": {}},
    "layers": [
        {"name": "left", "inputs": ["taste"], **DENSE},
        {"name": "right", "inputs": ["look"], **DENSE},
        {"name": "both", "type": "Concatenate", "inputs": ["left", "right"]},
        {"name": "out", **SOFTMAX},
    ],
}


def body(model, **parts):
    spec = {
        "dataset": WINE,
        "model": model,
        "loss": "sparse_categorical_crossentropy",
        "training": {"seed": 7},
        **parts,
    }
    return json.dumps(spec).encode()


def normalised(model, **parts):
    return check_body(body(model, **parts), CATALOGUE, SETTINGS).spec


def errors(model, **parts):
    found = examine_body(body(model, **parts), CATALOGUE, SETTINGS).findings
    return {(finding.pointer, finding.code) for finding in found if finding.severity is Severity.ERROR}


def suggestion(model, code, **parts):
    found = examine_body(body(model, **parts), CATALOGUE, SETTINGS).findings
    return next(finding.suggestion for finding in found if finding.code == code)


def test_a_graph_is_spelled_out():
    model = normalised(BRANCHES, dataset=TWO_INPUTS)["model"]

    assert model["inputs"] == {"taste": {"shape": [2], "dtype": "float32"}, "look": {"shape": [3], "dtype": "float32"}}
    assert model["layers"][3]["inputs"] == ["both"]
    assert model["outputs"] == {"out": "out"}


def test_a_spelled_out_graph_is_checked_to_itself():
    once = normalised(BRANCHES, dataset=TWO_INPUTS)

    assert check_body(json.dumps(once).encode(), CATALOGUE, SETTINGS).spec == once


def test_layers_are_called_one_after_the_other_where_they_do_not_say():
    model = normalised({"layers": [{"name": "a", **DENSE}, {"name": "b", **DENSE}, SOFTMAX], "outputs": ["dense"]})[
        "model"
    ]

    assert [layer["inputs"] for layer in model["layers"]] == [["input"], ["a"], ["b"]]
    assert model["inputs"] == {"input": {"shape": [13], "dtype": "float32"}}


def test_layers_may_stand_in_any_order():
    layers = [
        {"name": "out", "inputs": ["b"], **SOFTMAX},
        {"name": "b", "inputs": ["a"], **DENSE},
        {"name": "a", "inputs": ["input"], **DENSE},
    ]
    model = normalised({"layers": layers, "outputs": ["out"]})["model"]

    assert evaluation_order(model) == [2, 1, 0]


def test_a_long_chain_is_ordered_whichever_way_it_is_written():
    chain = [{"name": f"l{number}", "inputs": [f"l{number - 1}" if number else "input"]} for number in range(1000)]

    assert evaluation_order({"layers": chain, "inputs": {"input": {}}}) == list(range(1000))
    assert evaluation_order({"layers": chain[::-1], "inputs": {"input": {}}}) == list(range(999, -1, -1))


def test_a_shared_layer_is_another_call_of_it():
    layers = [
        {"name": "tower", "inputs": ["taste"], **DENSE},
        {"shared": "tower", "inputs": ["look"]},
        {"type": "Subtract", "inputs": ["tower", "tower_1"]},
        SOFTMAX,
    ]
    columns = {"taste": ["alcohol", "ash"], "look": ["hue", "proline"]}
    model = normalised({"inputs": {"taste": {}, "look": {}}, "layers": layers}, dataset={**WINE, "features": columns})

    assert model["model"]["layers"][1] == {"shared": "tower", "name": "tower_1", "inputs": ["look"]}


def test_models_nest():
    inner = {"layers": [DENSE, {"type": "Dropout", "rate": 0.1}]}
    model = normalised({"layers": [{"model": inner, "trainable": False}, SOFTMAX]})["model"]

    first = model["layers"][0]
    assert (first["name"], first["trainable"]) == ("model", False)
    assert [layer["type"] for layer in first["model"]["layers"]] == ["Dense", "Dropout"]
    assert first["model"]["layers"][1]["name"] == "dropout"


def test_a_wrapper_may_hold_a_model():
    wrapped = {"type": "TimeDistributed", "layer": {"model": {"layers": [DENSE]}}}
    model = normalised({"layers": [{"type": "Reshape", "target_shape": [13, 1]}, wrapped, "Flatten", SOFTMAX]})["model"]

    assert model["layers"][1]["layer"]["model"]["layers"][0]["units"] == 3


def test_an_application_has_its_defaults_and_no_weights():
    application = {"application": "MobileNetV3Small", "include_top": False, "pooling": "avg"}
    layers = [{"type": "Reshape", "target_shape": [13, 1, 1]}, {"model": application}, SOFTMAX]
    model = normalised({"layers": layers})["model"]["layers"][1]["model"]

    assert (model["application"], model["weights"], model["minimalistic"]) == ("MobileNetV3Small", None, False)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ({"layers": [{"inputs": ["nobody"], **SOFTMAX}]}, {("/model/layers/0/inputs/0", "graph.unknown_name")}),
        ({"layers": [SOFTMAX], "outputs": ["nobody"]}, {("/model/outputs/0", "graph.unknown_name")}),
        ({"layers": [SOFTMAX], "outputs": {"main": "dens"}}, {("/model/outputs/main", "graph.unknown_name")}),
        (
            {"layers": [{"name": "a", "inputs": ["b"], **DENSE}, {"name": "b", "inputs": ["a"], **SOFTMAX}]},
            {("/model/layers/0", "graph.cycle")},
        ),
        (
            {"inputs": {"a": {}}, "layers": [{"name": "a", "inputs": ["a"], **SOFTMAX}]},
            {("/model/inputs/a", "graph.duplicate_name")},
        ),
        ({"layers": [{"shared": "nobody"}, SOFTMAX]}, {("/model/layers/0/shared", "graph.unknown_name")}),
        (
            {"layers": [{"name": "a", **SOFTMAX}, {"shared": "a", "name": "b"}, {"shared": "b"}]},
            {("/model/layers/2/shared", "graph.shared_twice")},
        ),
        ({"layers": [{"shared": "a", "units": 3}, SOFTMAX]}, {("/model/layers/0/units", "parameter.unknown")}),
        ({"layers": [{"type": "Dense", "shared": "a", "units": 3}]}, {("/model/layers/0", "layer.ambiguous")}),
        ({"layers": [{}]}, {("/model/layers/0", "component.type")}),
        ({"layers": [{"model": {"layers": ["Densee"]}}]}, {("/model/layers/0/model/layers/0", "component.unknown")}),
        ({"application": "MobileNetV9"}, {("/model", "component.unknown")}),
        ({"application": "VGG16", "weights": "imagenet"}, {("/model/weights", "parameter.type")}),
        ({"application": "VGG16", "weight": 1}, {("/model/weight", "parameter.unknown")}),
        (
            {"layers": [{"name": "a", **DENSE}, {"name": "a", **SOFTMAX}]},
            {("/model/layers/1/name", "layer.duplicate_name")},
        ),
        ({"inputs": {"a": {}, "b": {}}, "layers": [SOFTMAX]}, {("/model/layers/0", "graph.inputs_missing")}),
        ({"layers": [SOFTMAX], "outputs": {"type": "dense"}}, {("/model/outputs", "graph.output_name")}),
    ],
)
def test_what_does_not_hang_together_is_refused(model, found):
    assert found <= errors(model)


def test_an_input_that_leads_nowhere_is_refused():
    model = {**BRANCHES, "layers": [{"name": "out", "inputs": ["taste"], **SOFTMAX}]}

    assert ("/model/inputs/look", "graph.unused_input") in errors(model, dataset=TWO_INPUTS)


def test_several_inputs_need_their_columns():
    assert errors(BRANCHES) == {
        ("/model/inputs/taste", "dataset.columns_missing"),
        ("/model/inputs/look", "dataset.columns_missing"),
    }


def test_columns_are_the_datasets():
    features = {"taste": ["alcohl"], "look": ["hue"]}

    assert errors(BRANCHES, dataset={**WINE, "features": features}) == {
        ("/dataset/features/taste/0", "dataset.unknown_column")
    }
    assert suggestion(BRANCHES, "dataset.unknown_column", dataset={**WINE, "features": features}) == (
        "Did you mean 'alcohol'?"
    )


def test_columns_go_to_inputs_that_exist():
    features = {**TWO_INPUTS["features"], "smell": ["hue"]}

    assert ("/dataset/features/smell", "dataset.unknown_input") in errors(
        BRANCHES, dataset={**WINE, "features": features}
    )


TWO_OUTPUTS = {
    "layers": [
        {"name": "shared", **DENSE},
        {"name": "grower", "inputs": ["shared"], **SOFTMAX},
        {"name": "again", "type": "Dense", "units": 2, "inputs": ["shared"]},
    ],
    "outputs": ["grower", "again"],
}
LOSSES = {"grower": "sparse_categorical_crossentropy", "again": "mse"}


def test_losses_metrics_and_weights_go_to_outputs():
    spec = normalised(
        TWO_OUTPUTS,
        dataset={**WINE, "target": {"again": {"columns": ["hue", "ash"]}}},
        loss=LOSSES,
        loss_weights={"again": 0.1},
        metrics={"grower": ["accuracy"], "again": ["mae"]},
        checkpoints={"monitor": "val_grower_accuracy"},
    )

    assert spec["loss"]["again"]["type"] == "MeanSquaredError"
    assert spec["metrics"]["again"][0]["name"] == "mae"
    assert spec["checkpoints"]["mode"] == "max"


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({}, {("/loss", "outputs.each_wanted")}),
        ({"loss": LOSSES, "metrics": ["accuracy"]}, {("/metrics", "outputs.each_wanted")}),
        ({"loss": {"growr": "mse"}}, {("/loss/growr", "outputs.unknown")}),
        ({"loss": LOSSES, "loss_weights": {"other": 1.0}}, {("/loss_weights/other", "outputs.unknown")}),
        ({"loss": LOSSES, "metrics": {"other": []}}, {("/metrics/other", "outputs.unknown")}),
        ({"loss": LOSSES, "checkpoints": {"monitor": "val_accuracy"}}, {("/checkpoints/monitor", "monitor.unknown")}),
    ],
)
def test_what_goes_to_no_output_is_refused(parts, found):
    assert found <= errors(TWO_OUTPUTS, **parts)


def test_a_mapping_serves_a_model_with_one_output():
    model = {"layers": [{"name": "grower", **SOFTMAX}], "outputs": ["grower"]}
    spec = normalised(model, loss={"grower": "sparse_categorical_crossentropy"}, metrics={"grower": ["accuracy"]})

    assert spec["loss"]["type"] == "SparseCategoricalCrossentropy"
    assert spec["metrics"] == [{"type": "accuracy"}]


def test_weights_of_a_single_loss_mean_nothing():
    model = {"layers": [{"name": "grower", **SOFTMAX}], "outputs": ["grower"]}

    assert ("/loss_weights", "outputs.one_output") in errors(model, loss_weights={"grower": 2.0})


def test_a_model_may_be_examined_without_data():
    text = json.dumps({"model": {"layers": [SOFTMAX], "input_shape": [5]}, "loss": "mse"}).encode()

    assert examine_body(text, CATALOGUE, SETTINGS, needs_dataset=False).findings == ()
    found = examine_body(text, CATALOGUE, SETTINGS).findings
    assert [(finding.pointer, finding.code) for finding in found] == [("", "field.missing")]


def test_without_data_the_model_says_what_goes_in():
    text = json.dumps({"model": {"layers": [SOFTMAX]}, "loss": "mse"}).encode()

    found = examine_body(text, CATALOGUE, SETTINGS, needs_dataset=False).findings
    assert [(finding.pointer, finding.code) for finding in found] == [("/model", "input_shape.missing")]


def test_what_is_right_of_a_refused_spec_can_be_proven():
    checked = examine_body(
        body({"layers": [SOFTMAX]}, optimizer={"type": "Adam", "lr": 1}, metrics=["accuracy", "nothing"]),
        CATALOGUE,
        SETTINGS,
    )

    assert checked.has_errors
    assert checked.is_provable
    assert checked.spec["optimizer"] is None
    assert checked.spec["metrics"] == [{"type": "accuracy"}, None]
    assert not examine_body(body({"layers": ["Densee"]}), CATALOGUE, SETTINGS).is_provable


def test_formulas_are_components():
    spec = normalised(
        {
            "layers": [
                {"type": "Dense", "units": 3, "activation": {"formula": "x * sigmoid(b * x)", "params": {"b": 2}}}
            ]
        },
        loss={"formula": "square(y_true - y_pred)"},
    )

    assert spec["loss"]["type"] == "hornbeam>FormulaLoss"
    assert spec["model"]["layers"][0]["activation"]["params"] == {"b": 2}


def test_a_formula_that_cannot_be_read_has_its_column():
    found = examine_body(body({"layers": [SOFTMAX]}, loss={"formula": "y_true - y_prd"}), CATALOGUE, SETTINGS).findings

    assert [(finding.pointer, finding.code) for finding in found] == [("/loss/formula", "formula.invalid")]
    assert "column 10" in found[0].message
    assert "y_pred" in found[0].suggestion


def test_layers_learn_from_the_data_what_they_are_not_given():
    layers = normalised({"layers": ["Normalization", {"type": "Discretization", "num_bins": 4}, SOFTMAX]})["model"][
        "layers"
    ]

    assert (layers[0]["mean"], layers[0]["variance"], layers[1]["bin_boundaries"]) == (None, None, None)


@pytest.mark.parametrize(
    ("inner", "where"),
    [
        ({"type": "TimeDistributed", "layer": "Normalization"}, "/layer"),
        ({"type": "Pipeline", "layers": [{"type": "Rescaling", "scale": 2.0}, "IntegerLookup"]}, "/layers/1"),
        ({"type": "TimeDistributed", "layer": {"model": {"layers": ["Normalization"]}}}, "/layer/model/layers/0"),
    ],
)
def test_nothing_can_learn_inside_of_another_layer(inner, where):
    for layers, there in (
        ([inner, SOFTMAX], "/model/layers/0"),
        ([DENSE, {"model": {"layers": [inner]}}], "/model/layers/1/model/layers/0"),
    ):
        assert errors({"layers": layers}) == {(there + where, "layer.cannot_learn")}


def test_a_layer_of_an_inner_model_can_learn():
    assert errors({"layers": [{"model": {"layers": ["Normalization"]}}, SOFTMAX]}) == set()


def test_what_is_given_needs_no_learning_inside_of_another_layer():
    given = {"type": "Normalization", "mean": [0.0], "variance": [1.0]}

    assert errors({"layers": [{"type": "TimeDistributed", "layer": given}, SOFTMAX]}) == set()


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_a_vocabulary_that_is_yet_to_be_learnt_needs_a_width(mode):
    lookup = {"type": "IntegerLookup", "output_mode": mode}
    wide = {"max_tokens": 9, "pad_to_max_tokens": True}

    assert errors({"layers": [lookup, SOFTMAX]}) == {("/model/layers/0", "layer.unknown_size")}
    assert errors({"layers": [{**lookup, **wide}, SOFTMAX]}) == set()
    assert errors({"layers": [{**lookup, "vocabulary": [1, 2]}, SOFTMAX]}) == set()


def test_bins_are_no_narrower_than_they_can_be_learnt():
    bins = {"type": "Discretization", "num_bins": 150}

    assert errors({"layers": [bins, SOFTMAX]}) == {("/model/layers/0/num_bins", "layer.cannot_learn")}
    assert errors({"layers": [{**bins, "epsilon": 0.006}, SOFTMAX]}) == set()
    assert errors({"layers": [{**bins, "num_bins": 100}, SOFTMAX]}) == set()


def test_keras_could_not_load_learnt_tf_idf_weights():
    lookup = {"type": "IntegerLookup", "output_mode": "tf_idf", "max_tokens": 9, "pad_to_max_tokens": True}

    assert errors({"layers": [lookup, SOFTMAX]}) == {("/model/layers/0/output_mode", "layer.cannot_learn")}


def test_an_input_has_the_dtype_of_the_dataset():
    given = {"x": {"dtype": "float32"}}
    wrong = {"x": {"dtype": "string"}}

    assert normalised({"inputs": given, "layers": [SOFTMAX]})["model"]["inputs"]["x"]["dtype"] == "float32"
    assert errors({"inputs": wrong, "layers": [SOFTMAX]}) == {("/model/inputs/x/dtype", "input_dtype.mismatch")}


def test_without_a_dataset_an_input_has_its_own_dtype():
    model = {
        "inputs": {"text": {"shape": [1], "dtype": "string"}, "age": {"shape": [2]}},
        "layers": [
            {"type": "Hashing", "num_bins": 4, "inputs": ["text"]},
            {"type": "Concatenate", "inputs": ["hashing", "age"]},
        ],
    }
    checked = examine_body(body(model, dataset=None), CATALOGUE, SETTINGS, needs_dataset=False)

    assert not checked.has_errors
    assert {name: given["dtype"] for name, given in checked.spec["model"]["inputs"].items()} == {
        "text": "string",
        "age": "float32",
    }
