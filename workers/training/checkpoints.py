"""Checkpoints: one `.keras` file each, which plain Keras loads, with the state that Keras leaves out beside it.

A `.keras` file is a zip archive with the model, its weights and the optimizer's state. Two more members hold what
a training needs to go on exactly where it was: `hornbeam.json` (the position, what layers learnt from the data
beforehand, whose weights it began with, the callbacks' numbers) and `hornbeam.npz` (seed generators, metrics of an
epoch under way, the weights that EarlyStopping keeps). The generators of Python and NumPy are not kept: nothing draws
from them once the model is built. Leaves storing files, and deciding which stay, to the supervisor.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from workers.training.adapting import Learnt
from workers.training.callbacks import assign_all, state_of
from workers.training.columns import Array
from workers.training.course import CallbackState, Position, Start

FORMAT = 1
_FACTS = "hornbeam.json"
_ARRAYS = "hornbeam.npz"


@dataclass(frozen=True, slots=True)
class Restored:
    """Where a checkpoint lets a training go on."""

    start: Start
    seconds: float
    """What the training had taken until then."""


@dataclass(slots=True)
class Checkpoints:
    """Saves and restores one training."""

    model: Any
    callbacks: Sequence[Any]
    directory: Path
    learnt: Learnt
    origin: Mapping[str, Any] | None = None
    """The checkpoint of another job that the training began with; what is restored brings its own."""
    written: int = field(default=0, init=False)

    def save(self, position: Position, *, seconds: float, stopped_by: str | None = None) -> Path:
        """Write the training's state at `position` and return the file."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.written += 1
        path = self.directory / f"checkpoint-{position.epoch}-{position.batch}-{self.written}.keras"
        self.model.save(path)
        arrays = dict(self._arrays(position))
        facts = {
            "format": FORMAT,
            "epoch": position.epoch,
            "batch": position.batch,
            "seconds": seconds,
            "stopped_by": stopped_by,
            "learnt": self.learnt,
            "origin": self.origin,
            "callbacks": [_split_state(index, callback, arrays) for index, callback in enumerate(self.callbacks)],
        }
        with zipfile.ZipFile(path, "a") as archive:
            # With NaN as Python writes it: a callback may remember a metric that was none. Nobody else reads this.
            archive.writestr(_FACTS, json.dumps(facts))
            archive.writestr(_ARRAYS, _npz(arrays))
        return path

    def restore(self, path: Path) -> Restored:
        """Bring the model, whose variables must all be made, to the state that `path` holds for the same spec."""
        self.model.load_weights(path)
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read(_FACTS))
            with np.load(io.BytesIO(archive.read(_ARRAYS)), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        _assign(seed_states(self.model), arrays, "seed")
        position = Position(facts["epoch"], facts["batch"])
        states = [_join_state(index, state, arrays) for index, state in enumerate(facts["callbacks"])]
        start = Start(position, states, _numbered(arrays, "metric"), facts["stopped_by"])
        self.origin = facts.get("origin")
        return Restored(start, facts["seconds"])

    def _arrays(self, position: Position) -> Iterator[tuple[str, Array]]:
        for index, variable in enumerate(seed_states(self.model)):
            yield f"seed/{index}", keras.ops.convert_to_numpy(variable)
        if position.batch:
            for index, variable in enumerate(self.model.metrics_variables):
                yield f"metric/{index}", keras.ops.convert_to_numpy(variable)


def learnt_until(path: Path) -> Learnt:
    """What layers had learnt of the data before the training that `path` is a checkpoint, or the model, of."""
    with zipfile.ZipFile(path) as archive:
        learnt: Learnt = json.loads(archive.read(_FACTS)).get("learnt", {})
    return learnt


def seed_states(model: Any) -> list[Any]:
    """The states of the model's seed generators, which `.keras` files leave out, in the model's order."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _assign(variables: Sequence[Any], arrays: dict[str, Array], prefix: str) -> None:
    assign_all(variables, _numbered(arrays, prefix))


def _numbered(arrays: dict[str, Array], prefix: str) -> list[Array]:
    count = sum(name.startswith(f"{prefix}/") for name in arrays)
    return [arrays[f"{prefix}/{index}"] for index in range(count)]


def _split_state(index: int, callback: Any, arrays: dict[str, Array]) -> CallbackState:
    """The numbers of a callback's state; lists of arrays go to `arrays`."""
    numbers: CallbackState = {}
    for name, value in state_of(callback).items():
        if isinstance(value, list):
            arrays.update({f"callback/{index}/{name}/{item}": np.asarray(array) for item, array in enumerate(value)})
        else:
            numbers[name] = value
    return numbers


def _join_state(index: int, numbers: CallbackState, arrays: dict[str, Array]) -> CallbackState:
    prefix = f"callback/{index}/"
    names = {name.split("/")[2] for name in arrays if name.startswith(prefix)}
    return {**numbers, **{name: _numbered(arrays, f"{prefix}{name}") for name in names}}


def _npz(arrays: dict[str, Array]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
