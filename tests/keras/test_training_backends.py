"""What a spec hears of a backend that can't train its layers: from the planner, and from a worker on its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.keras.specs import CATALOGUE, checked
from tests.keras.trainings import NeverStop
from workers.messages import PlanRequest, TrainerRequest, encode
from workers.training.build import Builder, BuildError
from workers.training.proof import prove
from workers.training.run import run

pytestmark = pytest.mark.keras

ROOT = Path(__file__).parents[2]
JAX = Path(sys.prefix) / "jax"
"""Where `make test` installs it."""
DIGITS = {"source": {"builtin": "digits"}, "validation": {"fraction": 0.2}}
OUT = {"type": "Dense", "units": 10, "activation": "softmax"}
LAYERS = [
    {"type": "Reshape", "target_shape": [8, 8, 1]},
    {"type": "Pipeline", "layers": [{"type": "RandomCrop", "height": 6, "width": 6}]},
    {"type": "Flatten"},
    OUT,
]


def spec_of(layers, **parts):
    return checked(dataset=DIGITS, model={"layers": layers}, training={"epochs": 1, "batch_size": 512}, **parts)


def on_jax(action, spec, directory):
    """What this module says about a spec as a program, on JAX: JSON lines."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(JAX)}
    command = [sys.executable, "-m", __spec__.name, action, str(directory)]
    done = subprocess.run(command, cwd=ROOT, env=environment, input=json.dumps(spec), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_a_planner_on_jax_points_to_what_jax_cannot_train(tmp_path):
    (answer,) = on_jax("prove", spec_of(LAYERS), tmp_path)

    (finding,) = answer["findings"]
    assert (finding["severity"], finding["code"]) == ("error", "layer.not_on_backend")
    assert finding["pointer"] == "/model/layers/1/layers/0"
    assert "RandomCrop can't be trained on jax" in finding["message"]


def test_a_worker_on_jax_refuses_what_a_planner_let_pass(tmp_path):
    *_, last = on_jax("train", spec_of(LAYERS), tmp_path)

    assert (last["kind"], last["error"]["code"]) == ("failed", "layer.not_on_backend")
    assert last["error"]["origin"] == "spec"
    assert last["error"]["where"]["pointer"] == "/model/layers/1/layers/0"


def test_what_jax_can_train_it_trains_and_saves(tmp_path):
    """With moving averages, whose arrays Keras shares with the weights."""
    optimizer = {"type": "Adam", "use_ema": True}
    *_, last = on_jax("train", spec_of([{"type": "Normalization"}, OUT], optimizer=optimizer), tmp_path)

    assert last == {"kind": "succeeded", "reason": "completed"}


def test_on_tensorflow_everything_can_be_trained():
    layer = {"type": "Hashing", "name": "hashing", "num_bins": 3}
    assert Builder(CATALOGUE, "tensorflow").layer(layer, "").num_bins == 3
    with pytest.raises(BuildError, match="can't be trained on jax"):
        Builder(CATALOGUE, "jax").layer(layer, "")


def main(action, directory):
    """In the process of `on_jax`."""
    spec = json.load(sys.stdin)
    if action == "prove":
        sys.stdout.write(prove(PlanRequest(spec=spec, max_parameters=10**6)).model_dump_json())
    else:
        request = TrainerRequest(job_id="job_1", attempt=1, spec=spec, workdir=directory, max_file_bytes=2**33)
        run(request, lambda message: sys.stdout.write(encode(message).decode()), NeverStop())


if __name__ == "__main__":
    main(*sys.argv[1:])
