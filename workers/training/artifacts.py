"""What a finished training leaves behind: the model, its history, curves and summary, and a manifest of it all.

Each file is announced as soon as it is whole, so that the supervisor stores one while the next is made. Nothing in
them names the host. Leaves storing, and the log, to the supervisor.
"""

import hashlib
import json
import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from schemas.checkpoints import ArtifactKind
from schemas.events import MetricHistory
from workers.messages import ArtifactSaved
from workers.training import curves, tensorboard
from workers.training.beside import Beside
from workers.training.data import JobData
from workers.training.evaluation import partition
from workers.training.evaluation.evaluating import Evaluation, class_names
from workers.training.monitors import Monitor
from workers.training.reporting import History, Send

_CURVES = "curves.png"


@dataclass(frozen=True, slots=True)
class Results:
    """What there is to tell of a finished training."""

    job_id: str
    spec: Mapping[str, Any]
    data: JobData
    origin: Mapping[str, Any] | None
    """The checkpoint of another job that it began with."""
    history: History
    monitor: Monitor
    evaluation: Mapping[str, float] | None
    """Loss and metrics of the final model over the validation rows."""
    stopped_by: str | None
    seconds: float
    """What the training took, over all attempts."""
    test: Mapping[str, float] | None = None
    """Loss and metrics of the final model over the test rows."""
    measured: Evaluation | None = None
    """Of the final model, on the rows that it is measured on; None where there are none."""

    @property
    def title(self) -> str:
        """What stands above pictures."""
        return self.spec.get("name") or self.job_id


@dataclass(frozen=True, slots=True)
class ArtifactWriter:
    """Writes artifacts into the working directory and announces them."""

    directory: Path
    send: Send
    beside: Beside
    _written: dict[str, dict[str, Any]] = field(default_factory=dict)

    def begin(self, results: Results) -> None:
        """Have the curves drawn beside what comes now. Call it when the last epoch is over."""
        epochs = results.history.epochs
        if epochs:
            path, best = self.directory / _CURVES, results.monitor.best(epochs)
            self.beside.begin(partial(curves.draw, epochs, path, title=results.title, best=best))

    def write_all(self, model: Any, results: Results, *, saved: Any) -> None:
        """Write every artifact; the model that is `saved` may have more before it than the one that was trained.

        Of a job that trained nothing there is no other model than the one it began with.
        """
        if results.history.epochs:
            self._write("model.keras", ArtifactKind.MODEL, "application/zip", saved.save)
        self.write_records(model, results)

    def write_records(self, model: Any, results: Results) -> None:
        """Write all but the model, after `begin`; the manifest, which has the digests of the others, comes last."""
        is_trained = bool(results.history.epochs)
        if is_trained:
            self._write_history(results.history)
        self._write_json("summary.json", ArtifactKind.SUMMARY, summary(model, results))
        numbers = partition.row_numbers(results.spec["dataset"], results.data.parts)
        self._write(
            partition.NAME,
            ArtifactKind.SPLITS,
            "application/zip",
            lambda path: partition.write(numbers, path),
        )
        for file in results.measured.files(results.job_id, results.title) if results.measured else ():
            self._write(file.name, file.kind, file.media_type, file.write)
        if is_trained:
            self._write(_CURVES, ArtifactKind.CURVES, "image/png", lambda _: self.beside.finish())
        self._write_json("manifest.json", ArtifactKind.MANIFEST, manifest(results, dict(self._written)))

    def _write_history(self, history: History) -> None:
        self._write_json("history.json", ArtifactKind.HISTORY, _columns(history))
        self._write(
            "tensorboard.tar.gz",
            ArtifactKind.TENSORBOARD,
            "application/gzip",
            lambda path: tensorboard.write_archive(history, path),
        )

    def _write_json(self, name: str, kind: ArtifactKind, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, indent=2, allow_nan=False)
        self._write(name, kind, "application/json", lambda path: path.write_text(text + "\n", "utf-8"))

    def _write(self, name: str, kind: ArtifactKind, media_type: str, write: Callable[[Path], object]) -> None:
        path = self.directory / name
        write(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._written[name] = {"sha256": digest, "size_bytes": path.stat().st_size}
        self.send(ArtifactSaved(path=str(path), name=name, artifact_kind=kind, media_type=media_type))


def summary(model: Any, results: Results) -> dict[str, Any]:
    """The outcome on one page."""
    epochs = results.history.epochs
    best = results.monitor.best(epochs)
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_weights)
    return {
        "job_id": results.job_id,
        "name": results.spec.get("name"),
        "epochs": len(epochs),
        "stopped_by": results.stopped_by,
        "monitor": {"metric": results.monitor.key, "mode": results.monitor.mode},
        "best": None if best is None else {"epoch": best + 1, "metrics": epochs[best]},
        "last": {"epoch": len(epochs), "metrics": epochs[-1]} if epochs else None,
        "evaluation": results.evaluation,
        "test": results.test,
        "classes": class_names(results.spec),
        "parameters": {"total": model.count_params(), "trainable": trainable},
        "rows": _rows(results.data),
        "training_seconds": round(results.seconds, 3),
    }


def manifest(results: Results, artifacts: Mapping[str, Any]) -> dict[str, Any]:
    """What it takes to do the same training again, and to see that the files are the ones it made."""
    return {
        "format": 1,
        "job_id": results.job_id,
        "spec": results.spec,
        "seed": results.spec["training"]["seed"],
        "versions": versions(),
        "dataset": {
            "source": results.spec["dataset"]["source"],
            "sha256": results.data.digest,
            "rows": _rows(results.data),
            "classes": class_names(results.spec),
        },
        "initial_weights": None if results.origin is None else dict(results.origin),
        "test": results.test,
        "artifacts": artifacts,
    }


def versions() -> dict[str, str]:
    """The software that trained the model."""
    backend = keras.config.backend()
    return {
        "hornbeam": version("hornbeam"),
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        backend: version(backend),
        "numpy": version("numpy"),
    }


def _columns(history: History) -> dict[str, Any]:
    return MetricHistory.of(dict(enumerate(history.epochs, 1))).model_dump()


def _rows(data: JobData) -> dict[str, int]:
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: len(rows) if rows else 0 for name, rows in parts.items()}
