import re
import threading

import pytest

from schemas.jobs import ErrorOrigin, JobPhase
from tests.keras.trainings import dense, layer, make_spec
from workers.messages import PhaseEntered
from workers.training.failures import Whereabouts, explain, plain_message

pytestmark = pytest.mark.keras

RESCALED = layer("Rescaling", "rescaled", scale=1e30, offset=0.0)


def test_a_loss_that_is_not_finite_says_when_and_what_to_do(train):
    spec = make_spec("diabetes", [dense("out", 1)], loss={"type": "MeanSquaredError"}, metrics=[])
    spec["optimizer"] = {"type": "SGD", "learning_rate": 1e20}

    error = train(spec).error

    assert (error.origin, error.code) == (ErrorOrigin.TRAINING, "training.non_finite_loss")
    assert error.where.epoch == 1
    assert "learning rate" in error.suggestion
    assert not error.retryable


@pytest.mark.parametrize("raise_error", [False, True])
def test_terminate_on_nan_ends_at_the_very_batch(train, raise_error):
    spec = make_spec("digits", [RESCALED, dense("out", 10, "softmax")], training={"batch_size": 8, "epochs": 50})
    spec["optimizer"] = {"type": "SGD", "learning_rate": 1e38}
    spec["callbacks"] = [{"type": "TerminateOnNaN", "raise_error": raise_error}]

    error = train(spec).error

    assert error.code == "training.non_finite_loss"
    assert (error.where.epoch, error.where.step) == (1, 2)


def test_a_layer_that_does_not_fit_is_named_with_its_pointer_and_a_suggestion(train):
    trained = train(make_spec("digits", [layer("LSTM", "memory", units=4), dense("out", 10, "softmax")]))

    error = trained.error
    assert (error.origin, error.code) == (ErrorOrigin.SPEC, "layer.does_not_fit")
    assert (error.where.layer, error.where.pointer) == ("memory", "/model/layers/0")
    assert "{type: Reshape, target_shape: [8, 8]}" in error.suggestion
    assert [message.phase for message in trained.of(PhaseEntered)] == [JobPhase.LOADING_DATA, JobPhase.BUILDING]


def test_a_layer_that_can_not_be_made_is_named(train):
    error = train(make_spec("digits", [dense("hidden", -3), dense("out", 10, "softmax")])).error

    assert (error.origin, error.code) == (ErrorOrigin.SPEC, "layer.invalid")
    assert (error.where.layer, error.where.pointer) == ("hidden", "/model/layers/0")
    assert "units" in error.message


def test_an_output_that_does_not_fit_the_labels_fails_before_training(train):
    error = train(make_spec("digits", [dense("out", 4, "softmax")])).error

    assert (error.origin, error.code) == (ErrorOrigin.SPEC, "output.too_few_units")
    assert (error.where.layer, error.where.pointer) == ("out", "/model/layers/0/units")


def test_an_error_in_a_step_names_its_layer_epoch_and_step(train):
    layers = [
        layer("Embedding", "lookup", input_dim=3, output_dim=2),
        layer("Flatten", "flat"),
        dense("out", 10, "softmax"),
    ]

    error = train(make_spec("digits", layers)).error

    assert (error.origin, error.code) == (ErrorOrigin.TRAINING, "training.step_failed")
    assert (error.where.layer, error.where.pointer) == ("lookup", "/model/layers/0")
    assert (error.where.epoch, error.where.step) == (1, 0)
    assert re.fullmatch(r"indices\[\d+,\d+\] = \d+ is not in \[0, 3\)", error.message)


def test_running_out_of_memory_is_a_matter_of_resources(train):
    layers = [
        layer("RepeatVector", "repeated", n=10**9),
        layer("GlobalAveragePooling1D", "pooled"),
        dense("out", 10, "softmax"),
    ]

    error = train(make_spec("digits", layers)).error

    assert (error.origin, error.code) == (ErrorOrigin.RESOURCES, "resources.out_of_memory")
    assert error.where.epoch == 1
    assert "batch_size" in error.suggestion


def test_a_file_over_the_limit_is_a_matter_of_resources(train):
    error = train(make_spec(), max_file_bytes=2000).error

    assert (error.origin, error.code) == (ErrorOrigin.RESOURCES, "resources.file_too_large")


def test_an_impossible_split_is_a_matter_of_the_data(train):
    error = train(make_spec("iris", dataset={"validation": {"fraction": 0.999, "stratify": True}})).error

    assert (error.origin, error.code) == (ErrorOrigin.DATA, "data.split_impossible")
    assert error.where.pointer == "/dataset/validation"


def test_an_unknown_component_is_refused(train):
    error = train(make_spec(loss={"type": "NoSuchLoss"})).error

    assert (error.origin, error.code, error.where.pointer) == (ErrorOrigin.SPEC, "component.unknown", "/loss")


def test_an_error_of_our_own_is_the_services_and_shows_no_traceback(train, capsys):
    spec = make_spec()
    del spec["training"]["batch_size"]

    error = train(spec).error

    assert (error.origin, error.code) == (ErrorOrigin.SERVICE, "service.trainer_error")
    assert "Traceback" not in error.message + capsys.readouterr().out


def test_a_stop_before_the_first_batch_is_a_stop(train):
    stop = threading.Event()
    stop.set()

    trained = train(make_spec(), stop=stop)

    assert trained.last.kind == "stopped"
    assert [(saved.epoch, saved.step) for saved in trained.checkpoints] == [(0, 1)]


def test_messages_of_libraries_lose_their_noise():
    noisy = ValueError(
        "Exception encountered when calling Dense.call().\n\n\x1b[1mIt is wrong.\x1b[0m\n\nArguments received by"
        " Dense.call():\n  • inputs=…"
    )

    assert plain_message(noisy) == "It is wrong."
    assert plain_message(MemoryError()) == "MemoryError"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("{{node sequential/dense_1/MatMul}}", "dense_1"),
        ("{{node sequential_1/dense_1/MatMul}}", "dense"),
        ("{{node sequential_1/dense_1_1/MatMul}}", "dense_1"),
        ("Input 0 of layer 'dense_1' is incompatible", "dense_1"),
        ("something else about dense_2", None),
    ],
)
def test_a_layer_is_found_in_what_the_backend_says(message, name):
    whereabouts = Whereabouts(epoch=2, step=5, layers={"dense": "/model/layers/0", "dense_1": "/model/layers/1"})

    assert explain(ValueError(message), whereabouts).where.layer == name
