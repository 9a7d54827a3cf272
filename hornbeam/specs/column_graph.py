"""How the columns of a dataset become what goes into a model: chains of layers, and the graph that they make together.

A normalised `dataset.preprocess` has a chain for every column that goes into the model, an empty one where it goes in
as it is. Works on plain data. Leaves checking the layers to `hornbeam.specs.preprocessing`, and building the graph to
`workers.training.preprocessing`.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hornbeam.components.naming import snake_case
from hornbeam.datasets.columns import Feed, feature_columns, side_by_side
from hornbeam.datasets.facts import ColumnFacts, facts_of
from hornbeam.specs.graphs import MODEL_NAME
from schemas.stored_datasets import ColumnKind

Dataset = Mapping[str, Any]
Layer = dict[str, Any]

AUTO = "auto"
WHERE = "/dataset/preprocess"
_WORDS = 2000
"""Of a text, where the spec does not say how many, and of categories that are too many to be listed."""
_PIXELS = 64


def usual_chain(column: ColumnFacts, input_shape: Sequence[int] | None = None) -> list[Any]:
    """What is done with a column where the spec leaves it to us, as a client would write it.

    Args:
        column: The column.
        input_shape: What the model says of its input, where it does.
    """
    if column.kind is ColumnKind.CATEGORY:
        # One place for what is seen in no training row, and none of the others depends on which rows these are.
        most = _WORDS if column.values is None else len(column.values) + 1
        return [{"type": "StringLookup", "max_tokens": most, "output_mode": "one_hot", "pad_to_max_tokens": True}]
    if column.kind is ColumnKind.TEXT:
        pad = {"output_mode": "multi_hot", "pad_to_max_tokens": True}
        return [{"type": "TextVectorization", "max_tokens": _WORDS, **pad}]
    if column.kind is ColumnKind.IMAGE:
        return [*_resizing(column.shape[:2], input_shape), {"type": "Rescaling", "scale": 1 / 255}]
    filled = [{"type": "hornbeam>Imputation"}] if column.missing else []
    return [*filled, "Normalization"] if column.kind is ColumnKind.NUMBER else filled


def _resizing(size: Sequence[int | None], input_shape: Sequence[int] | None) -> list[Any]:
    wanted = list(input_shape[:2]) if input_shape is not None and len(input_shape) == 3 else list(size)
    if wanted == list(size) and None not in wanted:
        return []
    height, width = (side or _PIXELS for side in wanted)
    return [{"type": "Resizing", "height": height, "width": width}]


def brings_to_size(chain: Sequence[Any]) -> bool:
    """Whether images of any size may come, as the first thing that happens to them is a resizing."""
    return bool(chain) and chain[0]["type"] == "Resizing"


def pointer_to(column: str, index: int) -> str:
    """Where a layer of a column's chain stands in a spec."""
    return f"{WHERE}/{column.replace('~', '~0').replace('/', '~1')}/{index}"


class Preprocessing:
    """The graph that turns columns into the inputs of a model.

    Args:
        dataset: Normalised, with a chain for every column that goes into the model.
        inputs: The names of the model's inputs.
    """

    def __init__(self, dataset: Dataset, inputs: Sequence[str]) -> None:
        self.feeds: dict[str, Feed] = {}
        """The column behind each input of the graph."""
        self.pointers: dict[str, str] = {}
        """Where layers stand in the spec, by their pointers in the graph's model."""
        self._layers: list[Layer] = []
        self._chains, self._facts = dataset["preprocess"], facts_of(dataset)
        window = dataset.get("window")
        self._steps = () if window is None else (int(window["length"]),)
        wanted = feature_columns(dataset, self._facts, inputs)
        self._outputs = {name: self._joined(name, columns) for name, columns in wanted.items()}

    @property
    def model(self) -> dict[str, Any]:
        """The graph as a normalised model: an input for each column, an output for each input of the trained model."""
        inputs = {name: {"shape": list(feed.shape or ()), "dtype": feed.dtype} for name, feed in self.feeds.items()}
        return {"input_shape": None, "inputs": inputs, "layers": self._layers, "outputs": self._outputs}

    def pointer_of(self, layer: str) -> str:
        """Where a layer stands in the graph's model; the graph itself where there is none of this name."""
        names = [made["name"] for made in self._layers]
        return f"{WHERE}/layers/{names.index(layer)}" if layer in names else WHERE

    def end_pointer(self, output: str) -> str:
        """Where the layer that gives an output stands in the graph's model; the graph itself where none does."""
        return self.pointer_of(self._outputs[output])

    def _joined(self, name: str, columns: Sequence[str]) -> str:
        ends = [self._chain(column) for column in columns]
        return ends[0] if len(ends) == 1 else self._add({"type": "Concatenate", "trainable": True}, name, ends)

    def _chain(self, column: str) -> str:
        """Add a column with its layers; the name of the last of them."""
        shape, dtype = side_by_side({column: self._facts.columns[column]})
        if brings_to_size(self._chains[column]):
            shape = (None, None, *shape[2:])
        start = end = self._free(_plain(column))
        self.feeds[start] = Feed((column,), (*self._steps, *shape), dtype)
        for index, layer in enumerate(self._chains[column]):
            self.pointers[f"{WHERE}/layers/{len(self._layers)}"] = pointer_to(column, index)
            end = self._add(layer, start, [end])
        return end

    def _add(self, layer: Mapping[str, Any], about: str, inputs: Sequence[str]) -> str:
        kind = snake_case(str(layer["type"]).rpartition(">")[2])
        name = self._free(f"{about[:32]}_{kind[:24]}")
        self._layers.append({**layer, "name": name, "inputs": list(inputs)})
        return name

    def _free(self, base: str) -> str:
        taken = {MODEL_NAME, *self.feeds, *(layer["name"] for layer in self._layers)}
        numbered = (f"{base}_{number}" for number in itertools.count(1))
        return next(name for name in itertools.chain([base], numbered) if name not in taken)


def _plain(column: str) -> str:
    """A column's name as far as Keras takes such names for inputs."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", column)[:32]
    return plain if plain[:1].isalpha() else f"column_{plain}"
