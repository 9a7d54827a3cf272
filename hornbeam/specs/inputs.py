"""The shapes and dtypes that go into a model: the dataset's, unless the model says the same itself.

Leaves the layers, and which columns there are, to other rules.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hornbeam.datasets.columns import Feed, UnfitColumns, feeds
from hornbeam.datasets.facts import facts_of
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.graphs import INPUT
from hornbeam.specs.wording import any_of, described, quoted

_MOST_AXES = 8
_USUAL_DTYPE = "float32"
"""What goes into a model that says nothing else."""


def take_input_shape(model: dict[str, Any], report: Report) -> str:
    """Move `input_shape` from the first layer, where Keras takes it too, to the model. Returns its place."""
    first = model["layers"][0]
    where = "/model/layers/0/input_shape"
    if "input_shape" not in first:
        return "/model/input_shape"
    shape = first.pop("input_shape")
    if not _is_shape(shape):
        message = f"An input_shape is a list of 1 to {_MOST_AXES} integers of at least 1, not {described(shape)}."
        report.error(where, "field.value", message, "With a dataset it can be left out: it is the dataset's.")
        return where
    if model["input_shape"] not in (None, shape):
        message = "The first layer's input_shape is not that of the model."
        report.error(where, "input_shape.contradiction", message, "Leave one of them out.")
    else:
        message = "The input shape is taken for the model's: model.input_shape."
        report.info(where, "layer.input_shape", message, "With a dataset it can be left out: it is the dataset's.")
    model["input_shape"] = shape
    return where


def check_input_shape(shape: Any, dataset: Mapping[str, Any], where: str, report: Report) -> None:
    """The input shape of a model with one input, where one is given, against the dataset's examples.

    That of an application may be anything here: as a parameter it is checked by the catalogue.
    """
    is_shape = isinstance(shape, list) and all(size is None or type(size) is int for size in shape)
    if not is_shape or dataset["features"] is not None:
        return
    feed = _feeds(dataset, [INPUT], report).get(INPUT)
    if feed is None or feed.shape is None or _matches(feed.shape, shape):
        return
    expected, name = list(feed.shape), facts_of(dataset).name
    suggestion = "Leave it out: it comes from the dataset."
    if None not in [*shape, *expected] and math.prod(shape) == math.prod(size or 1 for size in expected):
        suggestion = f"Leave it out, and let {{type: Reshape, target_shape: {shape}}} be the first layer."
    message = f"One example of {name} has the shape {expected}, not {json.dumps(shape)}."
    report.error(where, "input_shape.mismatch", message, suggestion)


def _feeds(dataset: Mapping[str, Any], names: Sequence[str], report: Report) -> dict[str, Feed]:
    """What goes into each input, or a finding."""
    try:
        return feeds(dataset, names)
    except UnfitColumns as error:
        message = f"The columns can't go into one input: {error}."
        suggestion = "Let dataset.preprocess: auto make numbers of them, or give each kind an input of its own."
        report.error("/dataset/features", "dataset.columns_unfit", message, suggestion)
        return {}


def _is_shape(value: Any) -> bool:
    is_list = isinstance(value, list) and 1 <= len(value) <= _MOST_AXES
    return is_list and all(type(size) is int and size > 0 for size in value)


def check_sizes(shape: Sequence[int | None] | None, most: int, where: str, report: Report) -> None:
    """That an input has not too many axes, and none too long: before anything is built.

    Args:
        shape: As it was given.
        most: The largest size.
        where: The pointer to the shape.
        report: Where to tell.
    """
    if shape is not None and len(shape) > _MOST_AXES:
        message = f"An input has at most {_MOST_AXES} axes beside the batch, not {len(shape)}."
        report.error(where, "field.value", message)
    for index, size in enumerate(shape or ()):
        if size is not None and size > most:
            message = f"An input's size must be at most {most}, not {size}."
            report.error(f"{where}/{index}", "parameter.too_large", message)


def settle_inputs(model: dict[str, Any], dataset: Mapping[str, Any] | None, report: Report) -> None:
    """Give every input of a normalised model its shape and dtype, in place, and tell which have none or others.

    Args:
        model: Normalised, its graph settled.
        dataset: Normalised; None where a model is proven by itself.
        report: Where findings go.
    """
    if dataset is None:
        _check_own_shapes(model, report)
    elif model.get("inputs") is not None:
        _settle_named(model["inputs"], dataset, report)
    else:
        found = _feeds(dataset, [INPUT], report)
        if len(found) > 1:
            message = "The dataset's columns go to several inputs, and the model has one."
            suggestion = "Name the inputs in model.inputs, or the columns of one input only."
            report.error("/dataset/features", "dataset.unknown_input", message, suggestion)
        elif found:
            shape = next(iter(found.values())).shape
            model["input_shape"] = None if shape is None else list(shape)


def _check_own_shapes(model: Mapping[str, Any], report: Report) -> None:
    """Without a dataset the model itself must say what goes in."""
    suggestion = "Write the shape of one example, or give a dataset."
    if model.get("inputs") is not None:
        for name, given in model["inputs"].items():
            if given["shape"] is None:
                message = f"Without a dataset nobody knows the shape of the input {quoted(name)}."
                report.error(f"/model/inputs{pointer(name)}", "input_shape.missing", message, suggestion)
            given["dtype"] = given.get("dtype") or _USUAL_DTYPE
    elif model.get("input_shape") is None and "application" not in model:
        message = "Without a dataset nobody knows the model's input shape."
        report.error("/model", "input_shape.missing", message, f"{suggestion[:-1]} in model.input_shape.")


def _settle_named(inputs: dict[str, Any], dataset: Mapping[str, Any], report: Report) -> None:
    names = list(inputs)
    found = _feeds(dataset, names, report)
    if not found and report.has_errors_in("/dataset/features"):
        return
    for name in found:
        if name not in inputs:
            message = f"The model has no input called {quoted(name)}; it has {any_of(names)}."
            report.error(f"/dataset/features{pointer(name)}", "dataset.unknown_input", message)
    for name in names:
        where, feed = f"/model/inputs{pointer(name)}", found.get(name)
        if feed is None:
            message = f"Nothing says which columns the input {quoted(name)} takes."
            example = ", ".join(f"{other}: [...]" for other in names[:3])
            report.error(where, "dataset.columns_missing", message, f"Add dataset.features: {{{example}}}.")
        elif feed.shape is None:
            inputs[name] = {"shape": None, "dtype": None}
        elif not _matches(inputs[name]["shape"], feed.shape):
            message = f"The input {quoted(name)} gets {list(feed.shape)} of the dataset, not {inputs[name]['shape']}."
            report.error(f"{where}/shape", "input_shape.mismatch", message, "Leave the shape out.")
        else:
            _check_dtype(name, inputs[name].get("dtype"), feed, report)
            inputs[name] = {"shape": list(feed.shape), "dtype": feed.dtype}


def _check_dtype(name: str, dtype: str | None, feed: Feed, report: Report) -> None:
    if dtype not in (None, feed.dtype) and feed.dtype is not None:
        message = f"The input {quoted(name)} gets {feed.dtype} of the dataset, not {dtype}."
        where = f"/model/inputs{pointer(name)}/dtype"
        report.error(where, "input_dtype.mismatch", message, "Leave the dtype out.")


def _matches(shape: Sequence[int | None] | None, expected: Sequence[int | None]) -> bool:
    """Whether a given shape is the dataset's, where neither of both varies."""
    if shape is None:
        return True
    pairs = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(size is None or other in (None, size) for size, other in pairs)
