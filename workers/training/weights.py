"""Weights to begin with, from a checkpoint of another job or its finished model: transfer learning.

The other job's model is built again from its own spec, takes its weights out of the file, and hands them on by layer
name. So arrays are all that is read of the file, and nothing in it is executed. Weights that no training changes come
along (the statistics of a BatchNormalization); the optimizer's state, and that of seed generators, do not. Leaves
fetching the file to `workers.preparation`, and what specs alone can tell to `hornbeam.specs.starting_weights`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from hornbeam.specs.graphs import INPUT
from hornbeam.specs.starting_weights import WHERE
from schemas.jobs import ErrorLocation, ErrorOrigin
from schemas.problems import Finding
from workers.messages import StartingPoint
from workers.training.adapting import Learning, Learnt
from workers.training.assembly import Assembler, Tensors
from workers.training.build import Builder, BuildError
from workers.training.callbacks import assign_all
from workers.training.checkpoints import learnt_until
from workers.training.failures import TrainingFailed, failure, plain_message
from workers.training.finished import weights_of

_TOLD = 3
"""As many layers are named: whoever begins with quite another model need not read about all of them."""

log = logging.getLogger("workers.training.weights")

Place = tuple[str, ...]
"""Where a layer stands in a model: the nested models around it, from the outermost, and its name."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of a Keras model, and the normalised model that they were made from."""

    layers: Sequence[Any]
    model: Mapping[str, Any]

    def with_weights(self) -> dict[Place, Any]:
        """The layers that have weights, those of nested models too. What a wrapper wraps belongs to the wrapper."""
        found: dict[Place, Any] = {}
        for index, layer in enumerate(self.layers):
            # In an application the order tells layers apart: Keras goes on numbering them from one to the next.
            name = layer.name if "layers" in self.model else f"{type(layer).__name__} {index}"
            found.update({(name, *place): inner for place, inner in self._within(layer).items()})
        return found

    def called(self, name: str) -> dict[Place, Any] | None:
        """One layer, by the places inside it; None where no layer has the name."""
        for layer in self.layers:
            if layer.name == name:
                return self._within(layer)
        deeper = (nested.called(name) for nested in map(self._nested, self.layers) if nested is not None)
        return next((found for found in deeper if found is not None), None)

    def _within(self, layer: Any) -> dict[Place, Any]:
        nested = self._nested(layer)
        if nested is not None:
            return nested.with_weights()
        return {(): layer} if _states(layer) else {}

    def _nested(self, layer: Any) -> "Layers | None":
        for spec in self.model.get("layers", ()):
            if "model" in spec and spec["name"] == layer.name:
                return Layers(layer.layers, spec["model"])
        return None


@dataclass(frozen=True, slots=True)
class Handover:
    """Layers that are to take their weights from others."""

    pointer: str
    name: str | None
    """What the spec names; None for the whole model."""
    target: dict[Place, Any] | None
    source: dict[Place, Any] | None

    def mismatch(self) -> "Mismatch | None":
        """What keeps it from being done."""
        differences = self._differences()
        if not differences:
            return None
        told = [told for _, told in differences[:_TOLD]]
        more = f" and {len(differences) - _TOLD} more" if len(differences) > _TOLD else ""
        finding = Finding(
            pointer=self.pointer,
            code="weights.mismatch",
            message=f"The checkpoint's weights do not fit: {'; '.join(told)}{more}.",
            suggestion="Name the layers that match in model.initial_weights.layers."
            if self.name is None
            else "Make the layer as it was there, or leave it out of the list.",
        )
        return Mismatch(differences[0][0], finding)

    def carry_out(self) -> int:
        """Copy the weights of layers that match; says of how many."""
        target, source = self.target or {}, self.source or {}
        for place, layer in target.items():
            _copy(source[place], layer)
        return len(target)

    def _differences(self) -> list[tuple[str, str]]:
        """Each with the name of its layer."""
        if self.target is None or self.source is None:
            owner = "this model" if self.target is None else "the checkpoint's model"
            return [(str(self.name), f"{owner} has no layer {self.name!r}")]
        found = []
        for place in {**self.target, **self.source}:
            name = "/".join(place) or str(self.name)
            new, old = self.target.get(place), self.source.get(place)
            if new is None or old is None:
                found.append((name, f"{name!r} is {'not here' if new is None else 'not there'}"))
            elif _shapes(new) != _shapes(old):
                found.append((name, f"{name!r} has {_in_words(new)} here, and {_in_words(old)} there"))
        return found


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why weights can't be handed over."""

    layer: str
    """The first layer that differs."""
    finding: Finding


def handovers(target: Layers, source: Layers) -> Iterator[Handover]:
    """What the `initial_weights` of the target's model ask for, of a model that may have it or not."""
    names = target.model["initial_weights"]["layers"]
    if names is None:
        yield Handover(WHERE, None, target.with_weights(), source.with_weights())
        return
    for index, name in enumerate(names):
        yield Handover(f"{WHERE}/layers/{index}", name, target.called(name), source.called(name))


def begin_with(model: Any, spec: Mapping[str, Any], start: StartingPoint, builder: Builder) -> None:
    """Give a built model the weights of a checkpoint, as the `initial_weights` of its spec ask for.

    Args:
        model: Built; no layer of it is changed where one does not match.
        spec: The normalised model that it was built from.
        start: The checkpoint, and the model that it is of.
        builder: Makes that model.

    Raises TrainingFailed: `weights.mismatch`, or `weights.unreadable` where the checkpoint's model can't be had.
    """
    names = sorted(spec.get("inputs") or (INPUT,))
    source = _restored(start, builder, dict(zip(names, model.inputs, strict=True)))
    wanted = list(handovers(Layers(model.layers, spec), Layers(source.layers, start.model)))
    mismatches = [mismatch for handover in wanted if (mismatch := handover.mismatch()) is not None]
    if mismatches:
        raise _mismatched(mismatches)
    count = sum(handover.carry_out() for handover in wanted)
    log.info("%d layers have the weights of %s, of epoch %d of %s", count, start.name, start.epoch, start.job_id)


def foreseen(layers: Sequence[Any], model: Mapping[str, Any], builder: Builder, inputs: Tensors) -> list[Finding]:
    """Why layers will not be able to begin with the weights of a checkpoint, as far as shapes tell it.

    Args:
        layers: Called, so that their weights have shapes; values they need not have.
        model: The normalised model that they are of; its `initial_weights` have the `source`, too: the normalised model
            that the checkpoint is of.
        builder: Makes that model.
        inputs: The symbolic inputs of these layers.
    """
    source = model["initial_weights"]["source"]
    shapes, dtypes = _left_to_the_data(source, inputs)
    try:
        made = Assembler(builder, dtypes=dtypes).model(source, shapes, name="source")
    except BuildError as error:
        where = f"{WHERE}/{'job' if 'job' in model['initial_weights'] else 'checkpoint'}"
        message = f"The checkpoint's model can't be built any more: {plain_message(error)}"
        return [Finding(pointer=where, code="weights.unreadable", message=message)]
    mismatches = (handover.mismatch() for handover in handovers(Layers(layers, model), Layers(made.layers, source)))
    return [mismatch.finding for mismatch in mismatches if mismatch is not None]


def learnt_before(model: Mapping[str, Any], start: StartingPoint) -> Learnt:
    """What the layers that take weights from a checkpoint take with them: a vocabulary that was learnt from the data.

    Args:
        model: Normalised, with `initial_weights`; not built yet.
        start: The checkpoint, and the model that it is of.
    """
    wanted, learnt = model["initial_weights"]["layers"], learnt_until(Path(start.path))
    there = dict(_sites(start.model, wanted))
    return {pointer: learnt[there[site]] for site, pointer in _sites(model, wanted) if there.get(site) in learnt}


def _restored(start: StartingPoint, builder: Builder, inputs: Tensors) -> Any:
    """The checkpoint's model with its weights. What its spec leaves to the data is as in these inputs."""
    learning = Learning(dict, learnt_until(Path(start.path)))
    shapes, dtypes = _left_to_the_data(start.model, inputs)
    try:
        model = Assembler(builder, learning, dtypes).model(start.model, shapes, name="source")
        apart = weights_of(Path(start.path))
        if apart is None:
            model.load_weights(start.path)
        else:
            assign_all(model.weights, apart)
    except (BuildError, ValueError) as error:
        raise failure(
            ErrorOrigin.DATA,
            "weights.unreadable",
            f"The model of {start.name} can't be built any more: {plain_message(error)}",
            where=ErrorLocation(pointer=f"{WHERE}/{'checkpoint' if start.checkpoint else 'job'}"),
            suggestion=f"Train {start.job_id} again: a component that it uses may have changed since.",
        ) from error
    return model


def _left_to_the_data(model: Mapping[str, Any], inputs: Tensors) -> tuple[dict[str, tuple[int | None, ...]], Any]:
    """Shapes for the inputs of a model whose spec does not say theirs, and dtypes, from those of another by name."""
    if model.get("input_shape") is not None:
        return {}, {name: tensor.dtype for name, tensor in inputs.items()}
    said = {name for name, given in (model.get("inputs") or {}).items() if given["shape"] is not None}
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in inputs.items() if name not in said}
    return shapes, {name: tensor.dtype for name, tensor in inputs.items()}


def _mismatched(mismatches: Sequence[Mismatch]) -> TrainingFailed:
    first, *rest = mismatches
    return failure(
        ErrorOrigin.SPEC,
        first.finding.code,
        " ".join([first.finding.message, *(f"Also: {mismatch.finding.message}" for mismatch in rest)]),
        where=ErrorLocation(layer=first.layer, pointer=first.finding.pointer),
        suggestion=first.finding.suggestion,
    )


def _sites(
    model: Mapping[str, Any], wanted: Sequence[str] | None, place: Place = (), where: str = "/model"
) -> Iterator[tuple[tuple[Place, str], str]]:
    """The places and types of the wanted layers, the places as `handovers` sees them, with their pointers."""
    for index, layer in enumerate(model.get("layers", ())):
        # Within what the spec names, places begin there.
        here = (*place, layer["name"]) if place or wanted is None or layer["name"] in wanted else ()
        pointer = f"{where}/layers/{index}"
        if "model" in layer:
            yield from _sites(layer["model"], wanted, here, f"{pointer}/model")
        elif here and "type" in layer:
            yield (here, layer["type"]), pointer


def _states(layer: Any) -> list[tuple[Any, dict[str, Any]]]:
    """What Keras would save of a layer: the parts of it that have weights of their own, with these."""
    found = []
    for part in layer._flatten_layers():  # noqa: SLF001 - Keras has no other way to the parts of a layer
        state: dict[str, Any] = {}
        part.save_own_variables(state)
        if state:
            found.append((part, state))
    return found


def _shapes(layer: Any) -> list[dict[str, tuple[int, ...]]]:
    return [{name: tuple(value.shape) for name, value in state.items()} for _, state in _states(layer)]


def _in_words(layer: Any) -> str:
    return ", ".join(f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights)


def _copy(source: Any, target: Any) -> None:
    for (part, _), (_, state) in zip(_states(target), _states(source), strict=True):
        part.load_own_variables({name: keras.ops.convert_to_numpy(value) for name, value in state.items()})
