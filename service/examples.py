"""The examples of the API's documentation. A test posts the specs and reads the answers with the wire models."""

from typing import Any

_JOB_ID = "job_01JA2V0QJ5E6G1S8T4M9XKZ3BD"
_OTHER_JOB_ID = "job_01JA2V4C7Y2N9Q5R8T1W3X6ZKM"
_CHECKPOINT_ID = "ckpt_01JA2V1M3K8R2W5Y7C9D4F6HAX"
_WORKER_ID = "wrk_01JA2TZZ7N4B8K1P3Q5R9S2VCM"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2030-05-04T09:30:{:02}.120000Z"

SPECS: dict[str, dict[str, Any]] = {
    "digits-lstm": {
        "summary": "A recurrent network on handwritten digits",
        "value": {
            "name": "digits-lstm",
            "dataset": {"source": {"builtin": "digits"}, "validation": {"fraction": 0.2, "stratify": True}},
            "model": {
                "layers": [
                    {"type": "Reshape", "target_shape": [8, 8]},
                    {"type": "LSTM", "units": 10, "activation": "tanh"},
                    {"type": "Dropout", "rate": 0.2},
                    {"type": "Dense", "units": 10, "activation": "softmax"},
                ]
            },
            "loss": "sparse_categorical_crossentropy",
            "optimizer": {
                "type": "Adam",
                "learning_rate": {"type": "CosineDecay", "initial_learning_rate": 0.003, "decay_steps": 400},
            },
            "metrics": ["accuracy"],
            "training": {"epochs": 10, "batch_size": 32, "seed": 7},
            "callbacks": [{"type": "EarlyStopping", "monitor": "val_loss", "patience": 5}],
            "checkpoints": {"every_epochs": 1, "monitor": "val_loss", "keep": {"best": 1, "last": 2}},
            "metadata": {"team": "vision"},
        },
    },
    "smallest": {
        "summary": "As little as will do; everything else has a default",
        "value": {
            "dataset": {"source": {"builtin": "iris"}},
            "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
            "loss": "sparse_categorical_crossentropy",
        },
    },
}

_NORMALISED = {
    "name": "digits-lstm",
    "dataset": {
        "source": {"builtin": "digits"},
        "validation": {"fraction": 0.2, "stratify": True, "seed": 7},
    },
    "training": {"epochs": 10, "batch_size": 32, "seed": 7, "shuffle": True},
    "metadata": {"team": "vision"},
}
"""Shortened: the real one has every default of every component in it."""

JOB: dict[str, Any] = {
    "id": _JOB_ID,
    "name": "digits-lstm",
    "status": "running",
    "phase": "training",
    "terminal": False,
    "attempt": 1,
    "created_at": _AT.format(1),
    "queued_at": _AT.format(1),
    "started_at": _AT.format(2),
    "finished_at": None,
    "queue": None,
    "progress": {
        "percent": 41.0,
        "epoch": 5,
        "epochs": 10,
        "step": 3,
        "steps_per_epoch": 45,
        "eta_seconds": 12.4,
        "metrics": {"loss": 0.22},
    },
    "summary": {
        "best": {"epoch": 4, "checkpoint": _CHECKPOINT_ID, "metrics": {"val_loss": 0.31, "val_accuracy": 0.91}},
        "last": {"epoch": 4, "checkpoint": _CHECKPOINT_ID, "metrics": {"val_loss": 0.31, "val_accuracy": 0.91}},
        "test": None,
    },
    "error": None,
    "findings": [],
    "transitions": [
        {"status": "queued", "at": _AT.format(1), "reason": "submitted"},
        {"status": "running", "at": _AT.format(2), "reason": "claimed"},
    ],
    "timings": {"queued": 1.0, "starting": 0.05, "loading_data": 0.1, "building": 0.2},
    "worker": _WORKER_ID,
    "spec": _NORMALISED,
    "metadata": {"team": "vision"},
    "links": {"self": f"/v1/jobs/{_JOB_ID}", "events": f"/v1/jobs/{_JOB_ID}/events", "model": None},
}

PROOF: dict[str, Any] = {
    "valid": True,
    "proven": True,
    "spec": _NORMALISED,
    "plan": {
        "layers": [
            {
                "pointer": "/model/layers/1",
                "name": "lstm",
                "type": "LSTM",
                "output_shape": [None, 10],
                "parameters": 760,
            }
        ],
        "parameters": 870,
        "trainable_parameters": 870,
        "output_shape": [None, 10],
        "steps_per_epoch": 45,
    },
    "findings": [],
}

EVALUATION: dict[str, Any] = {"dataset": {"source": {"builtin": "digits"}}}

EVENTS: list[dict[str, Any]] = [
    {"seq": 1, "type": "job.queued", "at": _AT.format(1), "data": {"status": "queued", "reason": "submitted"}},
    {"seq": 2, "type": "job.started", "at": _AT.format(2), "data": {"status": "running", "reason": "claimed"}},
]

STREAM = (
    "retry: 1000\n\n"
    f'event: job.queued\ndata: {{"seq":1,"type":"job.queued","at":"{_AT.format(1)}","data":{{}}}}\nid: 1\n\n'
    ": ping\n\n"
)

LOG_LINE: dict[str, Any] = {
    "seq": 1,
    "at": _AT.format(2),
    "attempt": 1,
    "stream": "stdout",
    "text": "Epoch 1/10",
}

HISTORY: dict[str, Any] = {"epochs": [1, 2], "metrics": {"loss": [2.1, 1.7], "val_loss": [1.9, 1.6]}}

COMPARISON: dict[str, Any] = {
    "jobs": [
        {
            "id": job_id,
            "name": "digits-lstm",
            "status": "succeeded",
            "epochs": 2,
            "duration_seconds": seconds,
            "error": None,
        }
        for job_id, seconds in ((_JOB_ID, 8.1), (_OTHER_JOB_ID, 9.4))
    ],
    "parameters": [
        {"pointer": "/model/layers/1/units", "values": {_JOB_ID: 10, _OTHER_JOB_ID: 32}},
        {"pointer": "/model/layers/4", "values": {_OTHER_JOB_ID: {"type": "Dropout", "rate": 0.2}}},
    ],
    "history": {
        "epochs": [1, 2],
        "metrics": {"val_loss": {_JOB_ID: [1.9, 1.6], _OTHER_JOB_ID: [1.4, 0.9]}},
    },
    "bests": {
        "val_loss": {
            "mode": "min",
            "best": _OTHER_JOB_ID,
            "jobs": {_JOB_ID: {"epoch": 2, "value": 1.6}, _OTHER_JOB_ID: {"epoch": 2, "value": 0.9}},
        }
    },
}

CHECKPOINT: dict[str, Any] = {
    "id": _CHECKPOINT_ID,
    "job_id": _JOB_ID,
    "epoch": 4,
    "step": 180,
    "metrics": {"val_loss": 0.31},
    "best": True,
    "size_bytes": 48_213,
    "sha256": _SHA256,
    "created_at": _AT.format(6),
    "links": {
        "self": f"/v1/jobs/{_JOB_ID}/checkpoints/{_CHECKPOINT_ID}",
        "content": f"/v1/jobs/{_JOB_ID}/checkpoints/{_CHECKPOINT_ID}/content",
    },
}

ARTIFACT: dict[str, Any] = {
    "name": "model.keras",
    "kind": "model",
    "media_type": "application/zip",
    "size_bytes": 51_877,
    "sha256": _SHA256,
    "created_at": _AT.format(12),
    "links": {"content": f"/v1/jobs/{_JOB_ID}/artifacts/model.keras"},
}

COMPONENT: dict[str, Any] = {
    "kind": "layer",
    "name": "Dropout",
    "aliases": [],
    "path": "keras.layers:Dropout",
    "summary": "Applies dropout to the input.",
    "description": "",
    "parameters": [
        {
            "name": "rate",
            "schema": {"type": "number", "minimum": 0, "maximum": 1},
            "required": True,
            "default": None,
            "accepts": [],
            "description": "Fraction of the input units to drop.",
        }
    ],
}

CATALOGUE: dict[str, Any] = {
    "digest": _SHA256,
    "keras_version": "3.15.1",
    "components": [COMPONENT],
    "left_out": [{"kind": "layer", "name": "Lambda", "reason": "It would run a client's Python."}],
}

WORKER: dict[str, Any] = {
    "id": _WORKER_ID,
    "role": "train",
    "hostname": "trainer-1",
    "pid": 4711,
    "alive": True,
    "version": "0.1.0",
    "backend": "tensorflow",
    "catalog_digest": _SHA256,
    "slots": 1,
    "busy_slots": 1,
    "devices": [],
    "started_at": _AT.format(0),
    "heartbeat_at": _AT.format(5),
    "broken_components": [],
}


def page(*rows: dict[str, Any]) -> dict[str, Any]:
    """A page of a list."""
    return {"data": list(rows), "has_more": False, "next": None}
