"""Trainings in the test process: specs as the checker leaves them, and a recorder in the supervisor's place."""

import copy
from dataclasses import dataclass, field
from typing import Any

from workers.messages import ArtifactSaved, CheckpointSaved, EpochCompleted, Failed, Message, ResumePoint


def dense(name, units, activation="linear", **parameters):
    return {
        "type": "Dense",
        "name": name,
        "trainable": True,
        "units": units,
        "activation": {"type": activation} if isinstance(activation, str) else activation,
        **parameters,
    }


def layer(type, name, **parameters):
    return {"type": type, "name": name, "trainable": True, **parameters}


def make_spec(builtin="digits", layers=None, /, **parts) -> dict[str, Any]:
    """A small normalised spec; `parts` replace its top-level entries, mappings are merged."""
    spec: dict[str, Any] = {
        "name": "a test",
        "dataset": {
            "source": {"builtin": builtin},
            "validation": {"fraction": 0.2, "stratify": False, "seed": None},
        },
        "model": {"layers": layers or [dense("hidden", 16, "relu"), dense("out", 10, "softmax")], "input_shape": None},
        "loss": {"type": "SparseCategoricalCrossentropy"},
        "optimizer": {"type": "Adam", "learning_rate": 0.01},
        "metrics": [{"type": "accuracy"}],
        "training": {
            "epochs": 2,
            "batch_size": 128,
            "seed": 7,
            "shuffle": True,
            "class_weight": None,
            "dtype_policy": "float32",
            "deterministic": False,
            "max_seconds": None,
        },
        "callbacks": [],
        "checkpoints": {"every_epochs": 1, "monitor": "val_loss", "mode": "min", "keep": {"best": 1, "last": 1}},
        "resources": {"gpu": False},
        "priority": 0,
        "metadata": {},
    }
    for key, value in copy.deepcopy(parts).items():
        spec[key] = {**spec[key], **value} if key in ("dataset", "training", "checkpoints") else value
    return spec


class NeverStop:
    def is_set(self):
        return False


@dataclass
class StopAfterAsking:
    """Set once it has been asked `times` times, which is once a batch."""

    times: int
    asked: int = 0

    def is_set(self):
        self.asked += 1
        return self.asked > self.times


@dataclass
class Trained:
    """What the supervisor would have got."""

    messages: list[Message] = field(default_factory=list)

    def of(self, type):
        return [message for message in self.messages if isinstance(message, type)]

    @property
    def last(self):
        return self.messages[-1]

    @property
    def error(self):
        assert isinstance(self.last, Failed), self.last
        return self.last.error

    @property
    def epochs(self):
        return self.of(EpochCompleted)

    @property
    def history(self):
        return [message.metrics for message in self.epochs]

    @property
    def checkpoints(self):
        return self.of(CheckpointSaved)

    def artifact(self, name):
        (path,) = [message.path for message in self.of(ArtifactSaved) if message.name == name]
        return path


def resume_from(trained: Trained) -> ResumePoint:
    """What a supervisor asks of the next attempt."""
    last = trained.checkpoints[-1]
    return ResumePoint(path=last.path, epoch=last.epoch, step=last.step, history=trained.history[: last.epoch])
