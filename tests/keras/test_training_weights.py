"""Weights to begin with, from another training's checkpoint: which arrive where, what is refused, what stays frozen."""

import json
import zipfile
from hashlib import sha256
from pathlib import Path

import keras
import pytest

from tests.keras.specs import checked
from tests.keras.trainings import StopAfterAsking
from workers.messages import ArtifactSaved, ResumePoint, StartingPoint, Stopped, Succeeded
from workers.training.weights import Layers, handovers

pytestmark = pytest.mark.keras

DIGITS = {"source": {"builtin": "digits"}, "validation": {"fraction": 0.2}}
IDLE = {"type": "SGD", "learning_rate": 1e-60}
"""An optimizer that changes no weight: as a float32 its rate is 0."""
HIDDEN = {"name": "hidden", "type": "Dense", "units": 16, "activation": "relu"}
NORM = {"name": "norm", "type": "BatchNormalization"}
OUT = {"name": "out", "type": "Dense", "units": 10, "activation": "softmax"}
HEAD = {**OUT, "name": "head"}
LAYERS = [HIDDEN, NORM, OUT]


def frozen(layer):
    return {**layer, "trainable": False}


def spec_of(layers, *, weights_of=None, only=None, **parts):
    """The spec of a job; `weights_of`: with the weights of a checkpoint, `only` those of some layers."""
    model = dict(layers) if isinstance(layers, dict) else {"layers": layers}
    if weights_of is not None:
        model["initial_weights"] = {"checkpoint": weights_of.checkpoint, "layers": only}
    training = {"epochs": 1, "batch_size": 256, "seed": 7, **parts.pop("training", {})}
    return checked(dataset=DIGITS, model=model, training=training, **parts)


@pytest.fixture
def trained_on(train):
    """Train layers, for their last checkpoint to begin with."""

    def start(layers, **parts):
        spec = spec_of(layers, **{"training": {"seed": 3}, **parts})
        trained = train(spec)
        assert trained.last == Succeeded(reason="completed")
        last = trained.checkpoints[-1]
        return StartingPoint(
            path=last.path,
            checkpoint="ckpt_1",
            sha256=sha256(Path(last.path).read_bytes()).hexdigest(),
            epoch=last.epoch,
            job_id="job_source",
            model=spec["model"],
        )

    return start


@pytest.fixture
def model_after(train):
    """The model that a training ends with, in plain Keras."""

    def start(spec, begin_with=None):
        trained = train(spec, begin_with=begin_with)
        assert trained.last == Succeeded(reason="completed"), trained.last
        path = next(message.path for message in trained.of(ArtifactSaved) if message.name == "model.keras")
        return keras.models.load_model(path)

    return start


@pytest.fixture
def refusal(train):
    """The error of a training that can't begin."""

    def start(layers, begin_with, only=None):
        trained = train(spec_of(layers, weights_of=begin_with, only=only), begin_with=begin_with)
        assert not trained.epochs
        return trained.error

    return start


def saved(start):
    """A checkpoint's model, as plain Keras reads it."""
    return keras.models.load_model(start.path)


def weights(model, *names):
    """The bytes of a layer's weights; of a layer of a layer where there are more names."""
    layer = model
    for name in names:
        layer = layer.get_layer(name)
    return [weight.tobytes() for weight in layer.get_weights()]


# What arrives


def test_all_layers_begin_with_the_weights_of_the_checkpoint(trained_on, model_after):
    start = trained_on(LAYERS)

    model = model_after(spec_of([HIDDEN, frozen(NORM), OUT], weights_of=start, optimizer=IDLE), start)

    for name in ("hidden", "norm", "out"):
        assert weights(model, name) == weights(saved(start), name), name


def test_only_the_layers_that_are_named_begin_with_them(trained_on, model_after):
    start = trained_on(LAYERS)
    drawn = model_after(spec_of([HIDDEN, HEAD], optimizer=IDLE))

    model = model_after(spec_of([HIDDEN, HEAD], weights_of=start, only=["hidden"], optimizer=IDLE), start)

    assert weights(model, "hidden") == weights(saved(start), "hidden") != weights(drawn, "hidden")
    assert weights(model, "head") == weights(drawn, "head")


def test_layers_are_told_by_their_names_and_not_by_their_order(trained_on, model_after):
    left, right = {**HIDDEN, "name": "left"}, {**HIDDEN, "name": "right"}
    narrow = {**HIDDEN, "name": "narrow"}
    start = trained_on([narrow, left, right, OUT])

    model = model_after(spec_of([narrow, right, left, OUT], weights_of=start, optimizer=IDLE), start)

    for name in ("left", "right"):
        assert weights(model, name) == weights(saved(start), name)


def test_layers_without_weights_may_differ(trained_on, model_after):
    start = trained_on([HIDDEN, OUT])
    dropout = {"type": "Dropout", "rate": 0.5}

    model = model_after(spec_of([HIDDEN, dropout, OUT], weights_of=start, optimizer=IDLE), start)

    assert weights(model, "hidden") == weights(saved(start), "hidden")


ENCODER = {"name": "encoder", "model": {"layers": [HIDDEN, NORM]}}


@pytest.mark.parametrize(
    ("only", "loaded"), [(None, True), (["encoder"], True), (["hidden", "norm"], True), (["out"], False)]
)
def test_a_nested_model_is_loaded_whole_and_by_its_layers(trained_on, model_after, only, loaded):
    start = trained_on([ENCODER, OUT])

    model = model_after(spec_of([frozen(ENCODER), OUT], weights_of=start, only=only, optimizer=IDLE), start)

    for name in ("hidden", "norm"):
        assert (weights(model, "encoder", name) == weights(saved(start), "encoder", name)) is loaded


def test_a_layer_of_a_nested_model_may_stand_elsewhere(trained_on, model_after):
    start = trained_on([ENCODER, OUT])

    model = model_after(spec_of([HIDDEN, HEAD], weights_of=start, only=["hidden"], optimizer=IDLE), start)

    assert weights(model, "hidden") == weights(saved(start), "encoder", "hidden")


def test_what_a_wrapper_wraps_comes_with_it(trained_on, model_after):
    rows = {"type": "Reshape", "target_shape": [8, 8]}
    both = {"name": "both", "type": "Bidirectional", "layer": {"type": "GRU", "units": 4}}
    start = trained_on([rows, both, OUT])

    model = model_after(spec_of([rows, both, HEAD], weights_of=start, only=["both"], optimizer=IDLE), start)

    assert len(weights(model, "both")) == 6
    assert weights(model, "both") == weights(saved(start), "both")


def test_a_graph_with_a_shared_layer(trained_on, model_after):
    graph = {
        "inputs": {"pixels": {}},
        "layers": [
            {**HIDDEN, "units": 64, "inputs": ["pixels"]},
            {"name": "again", "shared": "hidden", "inputs": ["hidden"]},
            {**OUT, "inputs": ["again"]},
        ],
    }
    start = trained_on(graph)

    model = model_after(spec_of(graph, weights_of=start, optimizer=IDLE), start)

    assert weights(model, "hidden") == weights(saved(start), "hidden")


def test_what_a_layer_learnt_from_the_data_comes_with_its_weights(trained_on, model_after):
    learning = [{"name": "scaled", "type": "Normalization"}, HIDDEN, OUT]
    start = trained_on(learning)

    model = model_after(spec_of(learning, weights_of=start, only=["scaled"], optimizer=IDLE), start)
    own = model_after(spec_of(learning, optimizer=IDLE))

    assert weights(model, "scaled") == weights(saved(start), "scaled") != weights(own, "scaled")


def test_bins_that_were_learnt_come_with_their_layer(trained_on, model_after):
    bins = {"name": "bins", "type": "Discretization", "num_bins": 3, "output_mode": "multi_hot"}
    start = trained_on([{"type": "Rescaling", "scale": 2.0}, bins, HIDDEN, OUT])

    model = model_after(spec_of([bins, HIDDEN, HEAD], weights_of=start, only=["bins"], optimizer=IDLE), start)
    own = model_after(spec_of([bins, HIDDEN, HEAD], optimizer=IDLE))

    boundaries = [one.get_layer("bins").bin_boundaries for one in (model, saved(start), own)]
    assert boundaries[0] == boundaries[1] != boundaries[2]


def test_a_resumed_training_goes_on_from_its_own_checkpoint(train, trained_on):
    start = trained_on(LAYERS)
    spec = spec_of(LAYERS, weights_of=start, training={"epochs": 2, "deterministic": True})
    straight = train(spec, begin_with=start)
    first = straight.checkpoints[0]
    resume = ResumePoint(path=first.path, epoch=1, step=first.step, history=straight.history[:1])

    resumed = train(spec, resume=resume)

    assert straight.history == [*straight.history[:1], *resumed.history]


def test_the_optimizer_begins_anew(trained_on, model_after):
    start = trained_on(LAYERS, training={"seed": 3, "epochs": 2}, optimizer="Adam")

    model = model_after(spec_of(LAYERS, weights_of=start, optimizer="Adam"), start)

    assert int(saved(start).optimizer.iterations) == 12
    assert int(model.optimizer.iterations) == 6


# What stays


@pytest.mark.parametrize(
    "layers", [[frozen(HIDDEN), frozen(NORM), HEAD], [frozen(ENCODER), HEAD]], ids=["layers", "model"]
)
def test_frozen_layers_do_not_change(trained_on, model_after, layers):
    nested = "model" in layers[0]
    start = trained_on([ENCODER, OUT] if nested else LAYERS)
    only = ["encoder"] if nested else ["hidden", "norm"]
    before = model_after(spec_of(layers, weights_of=start, only=only, optimizer=IDLE), start)

    spec = spec_of(layers, weights_of=start, only=only, optimizer="Adam", training={"epochs": 3})
    after = model_after(spec, start)

    for name in ("hidden", "norm"):
        place = ["encoder", name] if nested else [name]
        assert weights(after, *place) == weights(saved(start), *place), name
    assert weights(after, "head") != weights(before, "head")


def test_a_layer_inside_a_model_is_frozen_by_itself(model_after):
    inner = {"name": "encoder", "model": {"layers": [frozen(HIDDEN), {**HIDDEN, "name": "free"}]}}
    drawn = model_after(spec_of([inner, OUT], optimizer=IDLE))

    model = model_after(spec_of([inner, OUT], optimizer="Adam"))

    assert weights(model, "encoder", "hidden") == weights(drawn, "encoder", "hidden")
    assert weights(model, "encoder", "free") != weights(drawn, "encoder", "free")
    assert [layer.trainable for layer in model.get_layer("encoder").layers] == [False, True]


def test_a_call_without_training_keeps_the_statistics_and_trains_the_rest(trained_on, model_after):
    start = trained_on(LAYERS)
    layers = [HIDDEN, {**NORM, "call": {"training": False}}, OUT]

    model = model_after(spec_of(layers, weights_of=start, optimizer="Adam"), start)

    gamma, beta, mean, variance = weights(model, "norm")
    old_gamma, old_beta, old_mean, old_variance = weights(saved(start), "norm")
    assert (mean, variance) == (old_mean, old_variance)
    assert gamma != old_gamma
    assert beta != old_beta


def test_a_model_called_without_training_keeps_its_statistics_and_drops_nothing_out(trained_on, train):
    dropout = {"type": "Dropout", "rate": 0.9}
    start = trained_on([ENCODER, OUT])
    encoder = {"name": "encoder", "model": {"layers": [HIDDEN, NORM, dropout]}, "call": {"training": False}}
    whole = {"batch_size": 1437, "epochs": 2}
    spec = spec_of([encoder, OUT], weights_of=start, optimizer=IDLE, training=whole)

    first, second = train(spec, begin_with=start).history

    assert first["loss"] == pytest.approx(second["loss"], rel=1e-6)


def test_the_manifest_says_which_file_it_began_with_in_a_later_attempt_too(trained_on, train):
    start = trained_on(LAYERS)
    spec = spec_of(LAYERS, weights_of=start, training={"epochs": 2})
    told = {"job_id": "job_source", "checkpoint": "ckpt_1", "epoch": 1, "sha256": start.sha256}

    first = train(spec, begin_with=start, stop=StopAfterAsking(8))
    last = first.checkpoints[-1]
    history = [epoch.metrics for epoch in first.epochs]
    resume = ResumePoint(path=last.path, epoch=last.epoch, step=last.step, history=history)

    assert first.last == Stopped()
    assert manifest_of(train(spec, begin_with=start))["initial_weights"] == told
    assert manifest_of(train(spec, resume=resume))["initial_weights"] == told
    assert manifest_of(train(spec_of(LAYERS)))["initial_weights"] is None


def manifest_of(trained):
    assert trained.last == Succeeded(reason="completed"), trained.last
    path = next(message.path for message in trained.of(ArtifactSaved) if message.name == "manifest.json")
    return json.loads(Path(path).read_text())


# What is refused


def test_other_shapes_are_a_mismatch_that_names_the_layer(trained_on, refusal):
    start = trained_on([HIDDEN, OUT])

    error = refusal([{**HIDDEN, "units": 8}, OUT], start)

    assert (error.origin, error.code, error.retryable) == ("spec", "weights.mismatch", False)
    assert (error.where.layer, error.where.pointer) == ("hidden", "/model/initial_weights")
    assert "'hidden' has kernel (64, 8), bias (8,) here, and kernel (64, 16), bias (16,) there" in error.message
    assert "'out' has kernel (8, 10)" in error.message
    assert "initial_weights.layers" in error.suggestion


def test_all_layers_are_to_be_in_both(trained_on, refusal):
    start = trained_on([HIDDEN, OUT])

    error = refusal([HIDDEN, HEAD], start)

    assert error.where.layer == "head"
    assert "'head' is not there; 'out' is not here" in error.message


def test_a_name_that_means_other_weights_is_pointed_at(trained_on, refusal):
    start = trained_on([HIDDEN, OUT])

    error = refusal([{"type": "Dense", "units": 3}, HIDDEN, OUT], start, ["out", "hidden"])

    assert (error.where.layer, error.where.pointer) == ("hidden", "/model/initial_weights/layers/1")


def test_a_layer_is_no_model(trained_on, refusal):
    start = trained_on([ENCODER, OUT])

    error = refusal([{**HIDDEN, "name": "encoder"}, OUT], start, ["encoder"])

    assert (error.code, error.where.pointer) == ("weights.mismatch", "/model/initial_weights/layers/0")


def test_nothing_is_copied_where_something_differs(trained_on):
    start = trained_on(LAYERS)
    source = saved(start)
    target = keras.models.clone_model(source)
    spec = {**start.model, "initial_weights": {"layers": ["hidden", "nothing"]}}

    wanted = list(handovers(Layers(target.layers, spec), Layers(source.layers, start.model)))

    assert [handover.mismatch() is None for handover in wanted] == [True, False]


def test_a_model_that_can_not_be_built_any_more(trained_on, refusal):
    start = trained_on(LAYERS)
    gone = {**start.model, "layers": [{**start.model["layers"][0], "type": "acme>Gone"}, *start.model["layers"][1:]]}

    error = refusal(LAYERS, start.model_copy(update={"model": gone}))

    assert (error.origin, error.code) == ("data", "weights.unreadable")
    assert "acme>Gone" in error.message


def test_a_file_that_is_not_of_this_model(trained_on, refusal):
    start, other = trained_on(LAYERS), trained_on([HIDDEN, OUT])

    error = refusal(LAYERS, start.model_copy(update={"path": other.path}))

    assert error.code == "weights.unreadable"


def test_nothing_in_the_file_but_arrays_is_read(trained_on, model_after):
    """The architecture in the file is never looked at: it may say what it likes."""
    start = trained_on([HIDDEN, OUT])
    forged = Path(start.path).with_name("forged.keras")
    with zipfile.ZipFile(start.path) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"no JSON" if name == "config.json" else old.read(name))

    begun = start.model_copy(update={"path": str(forged)})
    model = model_after(spec_of([HIDDEN, OUT], weights_of=start, optimizer=IDLE), begun)

    assert weights(model, "hidden") == weights(saved(start), "hidden")
