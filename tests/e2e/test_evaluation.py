"""A model measured on rows that it never saw, as a client does it: in the training, and afterwards on other rows."""

import json

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_wine
from typer.testing import CliRunner

from hornbeam.cli.main import app
from hornbeam.errors import InvalidSpec, ModelNotReady
from schemas.jobs import Job, JobStatus
from tests.e2e.stacks import RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.keras]

SPEC = {
    "name": "wines",
    "dataset": {
        "source": {"builtin": "wine"},
        "validation": {"fraction": 0.2, "stratify": True},
        "test": {"fraction": 0.25, "stratify": True},
    },
    "model": {
        "layers": [
            "Normalization",
            {"type": "Dense", "units": 16, "activation": "relu"},
            {"type": "Dense", "units": 3, "activation": "softmax"},
        ]
    },
    "loss": "sparse_categorical_crossentropy",
    "optimizer": {"type": "Adam", "learning_rate": 0.02},
    "metrics": ["accuracy"],
    "training": {"epochs": 12, "batch_size": 16, "seed": 7},
    "callbacks": [{"type": "EarlyStopping", "patience": 3, "restore_best_weights": True}],
}


@pytest.fixture(scope="module")
def trained(stack: RunningStack) -> Job:
    """A job that has measured its model on a test part."""
    job = stack.client.jobs.create(SPEC)
    return stack.client.jobs.wait(job.id, timeout=120)


@pytest.fixture(scope="module")
def evaluated(stack: RunningStack, trained: Job) -> Job:
    """A job that has measured that model on all rows."""
    job = stack.client.jobs.evaluate(trained.id, "wine")
    return stack.client.jobs.wait(job.id, timeout=120)


def load_json(stack: RunningStack, job: Job, name: str, directory):
    return json.loads(stack.client.jobs.download_artifact(job.id, name, directory / name).read_text())


def test_a_training_measures_its_model_on_the_test_part(stack: RunningStack, trained: Job, tmp_path):
    assert trained.status is JobStatus.SUCCEEDED, trained.error
    assert trained.summary.test is not None
    assert trained.summary.test["accuracy"] > 0.8
    evaluation = load_json(stack, trained, "evaluation.json", tmp_path)
    assert (evaluation["part"], evaluation["rows"], evaluation["metrics"]) == ("test", 45, trained.summary.test)
    output = evaluation["outputs"]["output"]
    assert output["classes"] == ["class_0", "class_1", "class_2"]
    assert output["accuracy"] == pytest.approx(trained.summary.test["accuracy"], abs=1e-6)
    assert np.trace(output["confusion"]) == pytest.approx(45 * output["accuracy"])
    with Image.open(
        stack.client.jobs.download_artifact(trained.id, "confusion.png", tmp_path / "confusion.png")
    ) as png:
        assert png.format == "PNG"
    with np.load(stack.client.jobs.download_artifact(trained.id, "splits.npz", tmp_path / "splits.npz")) as splits:
        assert {name: len(splits[name]) for name in splits.files} == {"train": 97, "validation": 36, "test": 45}
    assert list(stack.client.jobs.events(trained.id))[-1].data["test"] == trained.summary.test


def test_the_same_model_is_measured_on_another_dataset(stack: RunningStack, trained: Job, evaluated: Job, tmp_path):
    """With the statistics that its Normalization learnt, which those of all rows are not."""
    assert evaluated.status is JobStatus.SUCCEEDED, evaluated.error
    evaluation = load_json(stack, evaluated, "evaluation.json", tmp_path)
    assert (evaluation["part"], evaluation["rows"]) == ("test", 178)
    names = {artifact.name for artifact in stack.client.jobs.artifacts(evaluated.id)}
    assert names == {"confusion.png", "evaluation.json", "log.txt", "manifest.json", "splits.npz", "summary.json"}
    assert not stack.client.jobs.checkpoints(evaluated.id)
    model = _loaded(stack, trained, tmp_path)
    rows, labels = _wines()
    predicted = model.predict(rows, verbose=0).argmax(axis=1)
    accuracy = float(np.mean(predicted == labels))
    assert evaluated.summary.test is not None
    assert evaluated.summary.test["accuracy"] == pytest.approx(accuracy, abs=1e-6)


def _loaded(stack: RunningStack, job: Job, directory):
    return keras.models.load_model(stack.client.jobs.download_model(job.id, directory / "model.keras"))


def _wines():
    bunch = load_wine()
    return bunch.data.astype(np.float32), bunch.target


def test_what_can_not_be_measured_is_refused(stack: RunningStack, trained: Job, evaluated: Job):
    with pytest.raises(InvalidSpec) as refused:
        stack.client.jobs.evaluate(trained.id, {"source": {"builtin": "iris"}})
    assert "dataset.unknown_column" in {finding.code for finding in refused.value.findings}
    assert {finding.pointer for finding in refused.value.findings} == {"/dataset/source"}
    with pytest.raises(ModelNotReady):
        stack.client.jobs.evaluate(evaluated.id, "wine")


def test_the_command_shows_the_result(stack: RunningStack, trained: Job):
    result = CliRunner().invoke(app, ["evaluate", trained.id, "--dataset", "wine", "--watch", "--server", stack.url])

    assert result.exit_code == 0, result.output
    assert "test  loss" in result.output
    shown = CliRunner().invoke(app, ["show", trained.id, "--server", stack.url])
    assert "confusion.png" in shown.output
