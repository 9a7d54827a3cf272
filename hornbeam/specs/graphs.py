"""How the layers of a model hang together: which tensors there are, who is called on which, and in what order.

Works on normalised models, whose layers all have names. Leaves the layers' own parameters to
`hornbeam.specs.components`, and whether shapes fit to the planner.
"""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.wording import any_of, quoted

Model = dict[str, Any]
Layer = Mapping[str, Any]

MODEL_NAME = "sequential"
"""What every trained model is called, so that its operations can be told in an error of the backend."""

INPUT = "input"
"""What the input of a model that names none is called."""


def is_graph(model: Mapping[str, Any]) -> bool:
    """Whether the layers say how they are called, rather than being called one after the other.

    Keras's Sequential takes no arguments for a call: a list with one of these is a graph, too.
    """
    named = model.get("inputs") is not None or model.get("outputs") is not None
    return named or any(layer.get("inputs") or layer.get("shared") or layer.get("call") for layer in model["layers"])


def referred(layer: Layer) -> Iterator[tuple[str, str]]:
    """The tensors that a layer is called on, each with its pointer below the layer."""
    inputs = layer.get("inputs") or []
    places = inputs.items() if isinstance(inputs, dict) else enumerate(inputs)
    for place, names in places:
        if isinstance(names, str):
            yield f"/inputs{pointer(place)}", names
        else:
            yield from ((f"/inputs{pointer(place, index)}", name) for index, name in enumerate(names))


def source(tensor: str) -> str:
    """The layer or input that makes a tensor: `encoder` of `encoder:1`."""
    return tensor.partition(":")[0]


def output_index(tensor: str) -> int:
    """Which of its outputs a tensor is: 1 of `encoder:1`, 0 where nothing is said."""
    return int(tensor.partition(":")[2] or 0)


def evaluation_order(model: Mapping[str, Any]) -> list[int]:
    """The indices of the layers, each after those that it is called on; as far as that goes, in the spec's order.

    Layers of a cycle are left out.
    """
    layers: Sequence[Layer] = model["layers"]
    numbers = {str(layer["name"]): index for index, layer in enumerate(layers)}
    inputs = set(model.get("inputs") or {INPUT: None})
    missing = [_needs(layer) - inputs for layer in layers]
    users: dict[int, list[int]] = {}
    for index, names in enumerate(missing):
        for name in names:
            users.setdefault(numbers.get(name, -1), []).append(index)
    ready = [index for index, names in enumerate(missing) if not names]
    order: list[int] = []
    while ready:
        order.append(heapq.heappop(ready))
        for user in users.get(order[-1], ()):
            missing[user].discard(str(layers[order[-1]]["name"]))
            if not missing[user]:
                heapq.heappush(ready, user)
    return order


def _needs(layer: Layer) -> set[str]:
    needed = {source(name) for _, name in referred(layer)}
    return needed | {layer["shared"]} if layer.get("shared") else needed


def settle_graph(model: Model, wheres: Sequence[str], where: str, report: Report) -> None:
    """Spell out a graph in place: every layer's inputs, the model's inputs and outputs. Tells what can't be.

    Args:
        model: Its layers have names.
        wheres: A pointer to each layer.
        where: The pointer to the model.
        report: Where findings go.
    """
    inputs = model.get("inputs") or {INPUT: {"shape": model.get("input_shape"), "dtype": None}}
    model["inputs"] = inputs
    _chain_up(model, wheres, report)
    known = dict.fromkeys([*inputs, *(str(layer["name"]) for layer in model["layers"])])
    _check_names(inputs, model, where, report)
    calls = {str(layer["name"]): layer["shared"] for layer in model["layers"] if layer.get("shared")}
    originals = dict.fromkeys(str(layer["name"]) for layer in model["layers"] if not layer.get("shared"))
    for layer, layer_where in zip(model["layers"], wheres, strict=True):
        for place, name in referred(layer):
            _check_known(source(name), known, f"{layer_where}{place}", report)
        _check_shared(layer, originals, calls, f"{layer_where}/shared", report)
    _settle_outputs(model, known, where, report)
    if not report.has_errors_in(where):
        _check_connections(model, wheres, where, report)


def _chain_up(model: Model, wheres: Sequence[str], report: Report) -> None:
    """A layer that does not say is called on the one before it, the first on the model's only input."""
    inputs = list(model["inputs"])
    for index, layer in enumerate(model["layers"]):
        if layer.get("inputs"):
            continue
        if index:
            layer["inputs"] = [model["layers"][index - 1]["name"]]
        elif len(inputs) == 1:
            layer["inputs"] = [inputs[0]]
        else:
            message = f"The first layer must say on which inputs it is called: {any_of(inputs)}."
            report.error(wheres[0], "graph.inputs_missing", message, f"Add inputs: [{inputs[0]}].")


def _check_names(inputs: Mapping[str, Any], model: Model, where: str, report: Report) -> None:
    layers = {layer["name"] for layer in model["layers"]}
    for name in inputs:
        if name in layers:
            message = f"An input and a layer are both called {quoted(name)}."
            report.error(f"{where}/inputs{pointer(name)}", "graph.duplicate_name", message)


def _check_known(name: str, known: Collection[str], where: str, report: Report) -> None:
    if name not in known:
        near = report.meant(name, known)
        suggestion = f"Did you mean {near!r}?" if near else f"There is: {', '.join(list(known)[:15])}."
        report.error(where, "graph.unknown_name", f"There is no input or layer called {quoted(name)}.", suggestion)


def _check_shared(
    layer: Layer, originals: Collection[str], calls: Mapping[str, str], where: str, report: Report
) -> None:
    """That what a layer calls again is there, and no such call itself."""
    shared = layer.get("shared")
    if shared is None or shared in originals:
        return
    if shared in calls and shared != layer["name"]:
        message = f"{quoted(shared)} is itself another call of {quoted(calls[shared])}."
        report.error(where, "graph.shared_twice", message, f"Write shared: {calls[shared]}.")
    else:
        _check_known(shared, originals, where, report)


def _settle_outputs(model: Model, known: Collection[str], where: str, report: Report) -> None:
    """The outputs as a mapping from their names to tensors; without any it is the last layer."""
    given = model.get("outputs") or [model["layers"][-1]["name"]]
    if isinstance(given, list):
        names = [name.replace(":", "_") for name in given]
        model["outputs"] = dict(zip(names, given, strict=True))
        places = [f"{where}/outputs{pointer(names.index(name))}" for name in model["outputs"]]
        for index, name in enumerate(names):
            if name in names[:index]:
                message = f"Two outputs would be called {quoted(name)}."
                suggestion = f"Give them names: {{one: {given[names.index(name)]}, other: {given[index]}}}."
                report.error(f"{where}/outputs/{index}", "graph.duplicate_name", message, suggestion)
    else:
        model["outputs"] = given
        places = [f"{where}/outputs{pointer(name)}" for name in given]
    for name in ("type", "formula", "class_name", "config"):
        if name in model["outputs"]:
            report.error(f"{where}/outputs", "graph.output_name", f"An output can't be called {name!r}.")
    for tensor, place in zip(model["outputs"].values(), places, strict=True):
        _check_known(source(tensor), known, place, report)


def _check_connections(model: Model, wheres: Sequence[str], where: str, report: Report) -> None:
    """Cycles, inputs that lead nowhere, and layers that nobody uses."""
    layers = model["layers"]
    order = evaluation_order(model)
    if len(order) < len(layers):
        left = [str(layer["name"]) for index, layer in enumerate(layers) if index not in set(order)]
        first = next(index for index in range(len(layers)) if index not in set(order))
        message = f"These layers wait for each other: {', '.join(left[:10])}."
        report.error(wheres[first], "graph.cycle", message, "A layer may only be called on what comes before it.")
        return
    used = _used(model)
    for name in model["inputs"]:
        if name not in used:
            message = f"No output depends on the input {quoted(name)}."
            report.error(f"{where}/inputs{pointer(name)}", "graph.unused_input", message, "Leave it out, or use it.")
    for layer, layer_where in zip(layers, wheres, strict=True):
        if layer["name"] not in used:
            message = f"No output depends on the layer {quoted(layer['name'])}: it is left out."
            report.warning(layer_where, "graph.unused_layer", message)


def _used(model: Model) -> set[str]:
    """The inputs and layers that the outputs depend on."""
    by_name = {layer["name"]: layer for layer in model["layers"]}
    waiting = [source(tensor) for tensor in model["outputs"].values()]
    used: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += _needs(by_name[name]) if name in by_name else ()
    return used
