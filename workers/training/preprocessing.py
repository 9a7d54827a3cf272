"""What happens to the columns of a dataset before they go into the model, and the model that takes raw columns.

The layers learn from the training rows, are applied to all rows once, and in the end stand before the trained model, so
that what is downloaded takes the values that the file had. Leaves which layers these are to the spec, and how they hang
together to `hornbeam.specs.column_graph`.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from hornbeam.specs.column_graph import WHERE, Preprocessing
from hornbeam.specs.graphs import INPUT
from schemas.problems import Finding
from workers.training.adapting import Learning, numpy_dtype, through
from workers.training.assembly import Assembler, Observer
from workers.training.build import Builder, BuildError, build_error
from workers.training.callbacks import assign_all
from workers.training.columns import AnyColumn, Array, Column, Made, Numbers, OnDisk, taken
from workers.training.data import JobData, Rows
from workers.training.room import Room
from workers.training.state import State

Spec = Mapping[str, Any]

_WRITERS = 2
_TEXT = "object"
"""As NumPy calls what text is kept in."""


def graph_of(spec: Spec) -> Preprocessing | None:
    """The layers between the dataset and the model of a normalised spec, or None where there are none."""
    dataset = spec["dataset"]
    if dataset is None or dataset.get("preprocess") is None:
        return None
    return Preprocessing(dataset, list(spec["model"].get("inputs") or (INPUT,)))


def assembled(graph: Preprocessing, builder: Builder, observer: Observer) -> Any:
    """The symbolic tensors of a graph. Raises BuildError with pointers into the spec."""
    shapes = {name: feed.shape or () for name, feed in graph.feeds.items()}
    try:
        made = Assembler(builder, observer).assemble(graph.model, shapes, WHERE)
        for name, tensor in made.outputs.items():
            _check_size(tensor, graph.end_pointer(name))
        for layer in made.layers:
            _check_is_ready(layer, graph.pointer_of(layer.name))
    except BuildError as error:
        raise BuildError(repointed(error.finding, graph)) from error
    return made


def _check_size(tensor: Any, pointer: str) -> None:
    """All rows are kept in one matrix. Raises BuildError where they differ in size."""
    if None in tensor.shape[1:]:
        raise build_error(
            pointer,
            "preprocess.size_varies",
            "What comes out of this differs in size from row to row, and all rows have to be of one size.",
            "Give TextVectorization an output_sequence_length, and images a Resizing.",
        )


def _check_is_ready(layer: Any, pointer: str) -> None:
    """Nothing trains these layers: they learn from the rows at most. Raises BuildError where that won't do."""
    if layer.trainable_weights:
        raise build_error(
            pointer,
            "preprocess.untrained",
            f"{type(layer).__name__} has weights to train, and what stands before the model is not trained.",
            "Move it to model.layers.",
        )


def repointed(finding: Finding, graph: Preprocessing) -> Finding:
    """A finding about a layer of the graph, where that layer stands in the spec."""
    layer = "/".join(finding.pointer.split("/")[:5])
    if layer not in graph.pointers:
        is_ours = layer.startswith(f"{WHERE}/layers/")
        return finding.model_copy(update={"pointer": WHERE}) if is_ours else finding
    return finding.model_copy(update={"pointer": graph.pointers[layer] + finding.pointer[len(layer) :]})


class Preprocessor:
    """Layers that have learnt from the training rows.

    Args:
        graph: The layers.
        builder: Makes them.
        train: The training rows, whose features are the columns.
        state: What the layers learnt before, and do not learn again; None where they are to learn.
    """

    def __init__(self, graph: Preprocessing, builder: Builder, train: Rows, state: State | None = None) -> None:
        columns = _by_name(train.features, graph)
        self._learnt = dict(state.learnt) if state is not None else {}
        made = assembled(graph, builder, Learning(lambda: columns, self._learnt))
        self._inputs, self._outputs = dict(made.inputs), dict(made.outputs)
        self._graph = graph
        self._model = keras.Model(list(self._inputs.values()), self._outputs, name="preprocessing")
        if state is not None:
            assign_all(self._model.weights, state.weights)
            for layer in self._model.layers:
                if isinstance(layer, keras.layers.Normalization):
                    layer.finalize_state()  # it computes with numbers that it derives from its weights

    def state(self) -> State:
        """What the layers have learnt."""
        return State(self._learnt, [keras.ops.convert_to_numpy(weight) for weight in self._model.weights])

    def applied(self, data: JobData, room: Room) -> JobData:
        """The data as the model takes them.

        Args:
            data: As they are in the dataset.
            room: Where matrices go that are too large for memory.
        """

        def after(rows: Rows) -> Rows:
            return replace(rows, features=self._features(rows, room))

        return replace(
            data,
            train=after(data.train),
            validation=data.validation and after(data.validation),
            test=data.test and after(data.test),
        )

    def before(self, model: Any) -> Any:
        """The trained model behind these layers, not compiled: it takes columns by their names, or the only one."""
        outputs = model(_single(self._outputs))
        return keras.Model(_single(self._inputs), outputs, name=f"{model.name}_of_columns")

    def _features(self, rows: Rows, room: Room) -> Any:
        columns = _by_name(rows.features, self._graph)
        as_they_are = self._unchanged(columns)
        shapes = {
            name: (len(rows), *tensor.shape[1:]) for name, tensor in self._outputs.items() if name not in as_they_are
        }
        made = self._made([columns[name] for name in self._inputs], shapes, room) if shapes else {}
        return _single({name: as_they_are[name] if name in as_they_are else made[name] for name in self._outputs})

    def _unchanged(self, columns: Mapping[str, AnyColumn]) -> dict[str, AnyColumn]:
        """Columns in memory that no layer changes, by the model's inputs: a copy would be no other."""
        return {
            name: columns[source]
            for name, tensor in self._outputs.items()
            for source, given in self._inputs.items()
            if tensor is given and (isinstance(columns[source], np.ndarray) or columns[source].dtype == object)
        }

    def _made(self, columns: list[AnyColumn], shapes: Mapping[str, tuple[int, ...]], room: Room) -> dict[str, Any]:
        """What the layers give, for some of the model's inputs."""
        pipeline = self._pipeline(columns)
        if any(room.is_too_small(shape) for shape in shapes.values()):
            return {name: self._made_anew(columns, pipeline, name, shape) for name, shape in shapes.items()}
        made: dict[str, AnyColumn] = {}
        for name, shape in shapes.items():
            dtype = numpy_dtype(self._outputs[name])
            stored = None if dtype == _TEXT else room(shape)
            made[name] = np.empty(shape, dtype) if stored is None else stored
        fill(made, through(self._model, columns) if pipeline is None else pipeline.all_rows(len(columns[0])))
        return made

    def _pipeline(self, columns: list[AnyColumn]) -> Any:
        """Decodes images in TensorFlow, many at once; None where there are none, or TensorFlow is not the backend."""
        if keras.config.backend() != "tensorflow" or not any(len(column.shape) == 4 for column in columns):
            return None
        # Only now: it imports Arrow, which starts threads, and a zygote has none.
        from workers.training.row_pipelines import Pipeline, has_images  # noqa: PLC0415

        return Pipeline(self._model, columns) if has_images(columns) else None

    def _made_anew(self, columns: list[AnyColumn], pipeline: Any, name: str, shape: tuple[int, ...]) -> AnyColumn:
        """A column whose rows are made each time that they are asked for."""
        dtype = numpy_dtype(self._outputs[name])
        if pipeline is not None:
            piped: AnyColumn = pipeline.column(name, shape, dtype)
            return piped

        def make(numbers: Numbers) -> Array:
            rows = [taken(column, numbers) for column in columns]
            return np.concatenate([chunk[name] for _, chunk in through(self._model, rows)])

        return Made(make, shape, dtype)


def _by_name(features: Any, graph: Preprocessing) -> Mapping[str, AnyColumn]:
    """The features by the graph's inputs."""
    if isinstance(features, Mapping):
        return features
    (name,) = graph.feeds
    return {name: features}


def _single(named: dict[str, Any]) -> Any:
    """The only one by itself, several by their names."""
    return named if len(named) > 1 else next(iter(named.values()))


def fill(targets: Mapping[str, AnyColumn], chunks: Iterable[tuple[int, Mapping[str, Array]]]) -> None:
    """Write chunks of rows, some side by side: to touch memory for the first time can take longer than decoding."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        writing: deque[Future[None]] = deque()
        for first, chunk in chunks:
            writing.append(pool.submit(_write, targets, first, chunk))
            if len(writing) > _WRITERS:
                writing.popleft().result()
        for one in writing:
            one.result()


def _write(targets: Mapping[str, AnyColumn], first: int, chunk: Mapping[str, Array]) -> None:
    for name, target in targets.items():
        rows = chunk[name]
        if isinstance(target, OnDisk):
            target.write(first, rows)
        elif not isinstance(target, Column):
            target[first : first + len(rows)] = rows
