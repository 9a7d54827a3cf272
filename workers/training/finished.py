"""The file of a finished model: what Keras loads, and beside it what the same model is measured with again.

Like a checkpoint it is a `.keras` file with `hornbeam.json`: what layers learnt of the data and hold in no weight.
Where columns go through layers of their own before the trained model, the file's weights are those of all together;
then `hornbeam.npz` has those of both, apart. Leaves what goes on from a checkpoint to `workers.training.checkpoints`.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from workers.training.adapting import Learnt
from workers.training.checkpoints import FORMAT
from workers.training.columns import Array
from workers.training.preprocessing import Preprocessor
from workers.training.state import State

_FACTS, _ARRAYS = "hornbeam.json", "hornbeam.npz"
_MODEL, _COLUMNS = "model", "columns"


@dataclass(frozen=True, slots=True)
class Finished:
    """A trained model, and what its columns go through before it."""

    model: Any
    learnt: Learnt
    """What its layers learnt."""
    preprocessor: Preprocessor | None

    def save(self, path: Path) -> None:
        """Write the file."""
        before = self.preprocessor
        whole = self.model if before is None else before.before(self.model)
        whole.save(path)
        facts: dict[str, Any] = {"format": FORMAT, "learnt": self.learnt}
        with zipfile.ZipFile(path, "a") as archive:
            if before is not None:
                columns = before.state()
                facts["columns"] = columns.learnt
                weights = [keras.ops.convert_to_numpy(weight) for weight in self.model.weights]
                archive.writestr(_ARRAYS, _npz({_MODEL: weights, _COLUMNS: columns.weights}))
            archive.writestr(_FACTS, json.dumps(facts, allow_nan=False))


def weights_of(path: Path) -> list[Array] | None:
    """The weights of the trained model, in its order; None where they are the file's own."""
    return _arrays(path, _MODEL)


def columns_of(path: Path) -> State | None:
    """What columns go through before the trained model; None where there is nothing."""
    weights = _arrays(path, _COLUMNS)
    if weights is None:
        return None
    with zipfile.ZipFile(path) as archive:
        return State(json.loads(archive.read(_FACTS))["columns"], weights)


def _npz(named: dict[str, list[Array]]) -> bytes:
    buffer = io.BytesIO()
    arrays = {f"{name}/{index}": array for name, listed in named.items() for index, array in enumerate(listed)}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _arrays(path: Path, name: str) -> list[Array] | None:
    with zipfile.ZipFile(path) as archive:
        if "columns" not in json.loads(archive.read(_FACTS)):
            return None
        with np.load(io.BytesIO(archive.read(_ARRAYS)), allow_pickle=False) as stored:
            count = sum(member.startswith(f"{name}/") for member in stored.files)
            return [stored[f"{name}/{index}"] for index in range(count)]
