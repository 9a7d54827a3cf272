import keras
import pytest

from schemas.problems import Severity
from tests.keras.trainings import dense, layer, make_spec
from workers.messages import PlanRequest
from workers.training import proof

pytestmark = pytest.mark.keras

BINARY = {"type": "BinaryCrossentropy"}
SQUARED = {"type": "MeanSquaredError"}


@pytest.fixture
def prove():
    """The proof of a spec; what it leaves without values is forgotten, as the planner's child does by exiting."""

    def start(spec, max_parameters=10**9):
        return proof.prove(PlanRequest(spec=spec, max_parameters=max_parameters))

    yield start
    keras.utils.clear_session()


def codes(answer, severity=Severity.ERROR):
    return [(finding.pointer, finding.code) for finding in answer.findings if finding.severity is severity]


def test_a_good_spec_has_a_plan_and_no_findings(prove):
    layers = [
        layer("Reshape", "image", target_shape=[8, 8, 1]),
        layer("Conv2D", "conv", filters=4, kernel_size=3, activation={"type": "relu"}),
        layer("BatchNormalization", "norm"),
        layer("Flatten", "flat"),
        dense("out", 10, "softmax"),
    ]

    answer = prove(make_spec("digits", layers))

    assert answer.findings == []
    plan = answer.plan
    assert [made.output_shape for made in plan.layers] == [
        [None, 8, 8, 1],
        [None, 6, 6, 4],
        [None, 6, 6, 4],
        [None, 144],
        [None, 10],
    ]
    assert [made.parameters for made in plan.layers] == [0, 40, 16, 0, 1450]
    assert (plan.parameters, plan.trainable_parameters) == (1506, 1498)
    assert plan.layers[1].model_dump(include={"pointer", "name", "type"}) == {
        "pointer": "/model/layers/1",
        "name": "conv",
        "type": "Conv2D",
    }
    assert (plan.output_shape, plan.steps_per_epoch) == ([None, 10], 12)


@pytest.mark.parametrize(
    ("input_shape", "layers", "advice"),
    [
        ([784], [layer("LSTM", "memory", units=4)], "{type: Reshape, target_shape: [28, 28]}"),
        ([784], [layer("Conv2D", "conv", filters=2, kernel_size=3)], "{type: Reshape, target_shape: [28, 28, 1]}"),
        ([28, 28], [layer("Conv2D", "conv", filters=2, kernel_size=3)], "{type: Reshape, target_shape: [28, 28, 1]}"),
        ([30], [layer("Conv1D", "conv", filters=2, kernel_size=3)], "{type: Reshape, target_shape: [30, 1]}"),
        ([8, 8, 1], [layer("LSTM", "memory", units=4)], "Flatten"),
        ([64], [layer("Reshape", "image", target_shape=[7, 7])], "must multiply to 64"),
        (
            [2, 2, 1],
            [layer("Conv2D", "conv", filters=2, kernel_size=3, strides=[1, 1], padding="valid")],
            'padding: "same"',
        ),
    ],
)
def test_a_layer_that_does_not_fit_gets_advice(prove, input_shape, layers, advice):
    spec = make_spec("digits", layers)
    spec["model"]["input_shape"] = input_shape

    (finding,) = prove(spec).findings

    assert (finding.pointer, finding.code) == ("/model/layers/0", "layer.does_not_fit")
    assert repr(layers[0]["name"]) in finding.message
    assert advice in finding.suggestion


def test_all_findings_come_at_once_and_the_plan_goes_as_far_as_it_can(prove):
    layers = [dense("first", 16), layer("LSTM", "memory", units=4), dense("bad", -1), dense("out", 10)]
    spec = make_spec(
        "digits",
        layers,
        loss={"type": "NoSuchLoss"},
        optimizer={"type": "Adam", "learning_rate": 0.1, "clipnorm": -1.0, "clipvalue": 1.0},
        metrics=[{"type": "MeanIoU", "num_classes": 2, "bogus": 1}],
        callbacks=[{"type": "ReduceLROnPlateau", "factor": 2.0}],
    )

    answer = prove(spec)

    assert set(codes(answer)) == {
        ("/model/layers/1", "layer.does_not_fit"),
        ("/model/layers/2", "layer.invalid"),
        ("/loss", "component.unknown"),
        ("/optimizer", "optimizer.invalid"),
        ("/metrics/0/bogus", "parameter.unknown"),
        ("/callbacks/0", "callback.invalid"),
    }
    assert [made.name for made in answer.plan.layers] == ["first"]
    assert answer.plan.parameters is None


@pytest.mark.parametrize(
    ("builtin", "layers", "loss", "expected"),
    [
        ("digits", [dense("out", 4, "softmax")], None, [("/model/layers/0/units", "output.too_few_units")]),
        ("digits", [dense("out", 10, "softmax")], "CategoricalCrossentropy", [("/loss", "loss.wants_one_hot")]),
        ("digits", [dense("out", 1)], "CategoricalHinge", [("/loss", "loss.wants_one_hot")]),
        ("digits", [dense("out", 1, "sigmoid")], "BinaryCrossentropy", [("/loss", "loss.wants_two_classes")]),
        (
            "breast_cancer",
            [dense("out", 2, "sigmoid")],
            "BinaryCrossentropy",
            [("/model/layers/0/units", "output.one_unit_wanted")],
        ),
        (
            "breast_cancer",
            [dense("out", 1, "softmax")],
            "BinaryCrossentropy",
            [("/model/layers/0", "output.softmax_over_one")],
        ),
        ("diabetes", [dense("out", 2)], "MeanSquaredError", [("/model/layers/0/units", "output.one_unit_wanted")]),
        ("diabetes", [dense("out", 1)], "BinaryCrossentropy", [("/loss", "loss.wants_classes")]),
        ("digits", [dense("out", 10)], "MeanSquaredError", [("/model/layers/0/units", "output.one_unit_wanted")]),
        (
            "digits",
            [layer("Reshape", "rows", target_shape=[8, 8]), dense("out", 10, "softmax")],
            "SparseCategoricalCrossentropy",
            [("/model/layers/1", "output.wrong_shape")],
        ),
    ],
)
def test_an_output_is_held_against_loss_and_labels(prove, builtin, layers, loss, expected):
    spec = make_spec(builtin, layers, loss={"type": loss or "SparseCategoricalCrossentropy"}, metrics=[])

    answer = prove(spec)

    assert codes(answer) == expected
    assert all(finding.suggestion for finding in answer.findings)


@pytest.mark.parametrize("loss", ["CategoricalCrossentropy", "CategoricalFocalCrossentropy"])
@pytest.mark.parametrize(
    ("builtin", "advice"),
    [
        ("breast_cancer", "A single unit wants binary_crossentropy."),
        ("digits", "Use sparse_categorical_crossentropy, and 10 units with softmax."),
        (None, "A single unit wants binary_crossentropy; this loss wants one unit for each class."),
    ],
)
def test_a_crossentropy_between_units_wants_more_than_one(prove, builtin, advice, loss):
    spec = make_spec(builtin or "digits", [dense("out", 1, "sigmoid")], loss={"type": loss}, metrics=[])
    if builtin is None:
        spec["dataset"], spec["model"]["input_shape"] = None, [64]

    (finding,) = prove(spec).findings

    assert (finding.pointer, finding.code) == ("/loss", "loss.over_one_unit")
    assert finding.suggestion == advice


@pytest.mark.parametrize(
    ("builtin", "layers", "loss", "expected"),
    [
        (
            "digits",
            [dense("out", 10, "softmax")],
            {"type": "SparseCategoricalCrossentropy", "from_logits": True},
            ("/loss/from_logits", "loss.logits_expected"),
        ),
        (
            "digits",
            [dense("out", 10)],
            {"type": "SparseCategoricalCrossentropy", "from_logits": False},
            ("/model/layers/0", "loss.probabilities_expected"),
        ),
        ("breast_cancer", [dense("out", 1, "tanh")], BINARY, ("/model/layers/0", "loss.probabilities_expected")),
        (
            "digits",
            [dense("out", 12, "softmax")],
            {"type": "SparseCategoricalCrossentropy"},
            ("/model/layers/0/units", "output.too_many_units"),
        ),
        ("iris", [dense("out", 1)], SQUARED, ("/loss", "loss.ignores_classes")),
        ("diabetes", [dense("out", 1, "sigmoid")], SQUARED, ("/model/layers/0", "output.bounded")),
    ],
)
def test_what_is_doubtful_is_a_warning(prove, builtin, layers, loss, expected):
    answer = prove(make_spec(builtin, layers, loss=loss, metrics=[]))

    assert codes(answer) == []
    assert codes(answer, Severity.WARNING) == [expected]


QUANTILES = {"type": "hornbeam>Quantile", "quantiles": [0.1, 0.5, 0.9]}


@pytest.mark.parametrize(
    ("builtin", "layers", "loss", "expected"),
    [
        ("diabetes", [dense("out", 3)], QUANTILES, []),
        ("diabetes", [dense("out", 2)], QUANTILES, [("/model/layers/0/units", "output.wrong_shape")]),
        ("diabetes", [dense("out", 1)], {"type": "hornbeam>FocalTversky"}, [("/loss", "loss.wants_classes")]),
        (
            "digits",
            [dense("out", 4, "softmax")],
            {"type": "hornbeam>SmoothedFocalCrossentropy"},
            [("/model/layers/0/units", "output.too_few_units")],
        ),
        ("breast_cancer", [dense("out", 1, "sigmoid")], {"type": "hornbeam>FocalTversky"}, []),
        ("digits", [dense("out", 1)], {"type": "hornbeam>LovaszHinge"}, [("/loss", "loss.wants_two_classes")]),
    ],
)
def test_shipped_losses_are_held_against_the_output_too(prove, builtin, layers, loss, expected):
    assert codes(prove(make_spec(builtin, layers, loss=loss, metrics=[]))) == expected


@pytest.mark.parametrize(
    ("metric", "code"),
    [
        ({"type": "CategoricalAccuracy"}, "metric.wants_one_hot"),
        ({"type": "Precision"}, "metric.wants_two_classes"),
        ({"type": "F1Score"}, "metric.does_not_fit"),
    ],
)
def test_metrics_are_held_against_the_labels(prove, metric, code):
    assert codes(prove(make_spec(metrics=[{"type": "accuracy"}, metric]))) == [("/metrics/1", code)]


def test_a_loss_that_no_rule_knows_is_traced(prove):
    answer = prove(make_spec("breast_cancer", [dense("out", 3)], loss={"type": "CTC"}, metrics=[]))

    assert codes(answer) == [("/loss", "loss.does_not_fit")]


def test_the_limit_on_parameters_costs_no_memory(prove):
    layers = [dense("first", 10**6), dense("huge", 10**7), dense("out", 10, "softmax")]

    answer = prove(make_spec("digits", layers))

    assert codes(answer) == [("/model/layers/1", "model.too_large")]
    assert "10,000,075,000,000" in answer.findings[0].message


def test_mixed_precision_is_proven_in_its_own_types(prove):
    assert prove(make_spec(training={"dtype_policy": "mixed_float16"})).findings == []


@pytest.mark.parametrize(
    "metric", ["hornbeam>CohenKappa", "hornbeam>MatthewsCorrelation", "SparseCategoricalCrossentropy"]
)
def test_metrics_of_classes_are_refused_where_there_are_numbers(prove, metric):
    spec = make_spec("diabetes", [dense("out", 1)], loss=SQUARED, metrics=[{"type": metric}])

    assert codes(prove(spec)) == [("/metrics/0", "metric.wants_classes")]


def test_a_metric_with_a_probability_for_each_class_is_refused_on_one_unit(prove):
    metrics = [{"type": "SparseCategoricalCrossentropy"}]
    layers = [dense("out", 1, "sigmoid")]

    assert codes(prove(make_spec("breast_cancer", layers, loss=BINARY, metrics=metrics))) == [
        ("/metrics/0", "metric.does_not_fit")
    ]


@pytest.mark.parametrize(
    ("builtin", "activation", "expected"),
    [
        ("diabetes", "linear", ("/loss", "loss.wants_classes")),
        ("breast_cancer", "sigmoid", ("/model/layers/0/units", "output.too_few_units")),
    ],
)
def test_the_generalised_crossentropy_wants_a_unit_for_each_class(prove, builtin, activation, expected):
    loss = {"type": "CategoricalGeneralizedCrossEntropy"}

    assert codes(prove(make_spec(builtin, [dense("out", 1, activation)], loss=loss, metrics=[]))) == [expected]


@pytest.mark.parametrize(
    ("loss", "warned"),
    [
        ({"type": "hornbeam>FocalTversky"}, True),
        ({"type": "hornbeam>FocalTversky", "per_image": True}, False),
        ({"type": "hornbeam>LovaszHinge", "from_logits": False}, True),
        ({"type": "Dice"}, True),
        (BINARY, False),
    ],
)
def test_class_weights_are_doubtful_where_a_batch_has_one_loss(prove, loss, warned):
    layers = [dense("out", 1, "sigmoid")]

    answer = prove(make_spec("breast_cancer", layers, loss=loss, metrics=[], training={"class_weight": "balanced"}))

    found = ("/training/class_weight", "loss.ignores_weights")
    assert (found in codes(answer, Severity.WARNING)) is warned
    assert codes(prove(make_spec("breast_cancer", layers, loss=loss, metrics=[])), Severity.WARNING).count(found) == 0
