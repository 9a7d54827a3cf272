"""Whether a model's output fits its loss, its metrics and the dataset's labels.

Rules about the components that people use, over plain values: no Keras here. What no rule knows,
`workers.training.proof` finds by tracing the loss and the metrics themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hornbeam.datasets.labels import LabelKind, Labels
from schemas.problems import Finding, Severity
from workers.training.advice import Shape
from workers.training.ends import End

_SPARSE = frozenset({"CategoricalGeneralizedCrossEntropy", "SparseCategoricalCrossentropy"})
_ONE_HOT = frozenset({"CategoricalCrossentropy", "CategoricalFocalCrossentropy", "CategoricalHinge"})
_BINARY = frozenset({"BinaryCrossentropy", "BinaryFocalCrossentropy", "hornbeam>LovaszHinge"})
_EITHER = frozenset({"hornbeam>ClassBalancedFocal", "hornbeam>FocalTversky", "hornbeam>SmoothedFocalCrossentropy"})
"""Losses that take class numbers: one unit for two classes, or one for each class."""
_FOR_CLASSES = _SPARSE | _ONE_HOT | _BINARY | _EITHER | {"hornbeam>SupervisedContrastive"}
_REGRESSION = frozenset(
    {
        "Huber",
        "LogCosh",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredError",
        "MeanSquaredLogarithmicError",
    }
)
_ONE_HOT_METRICS = {
    "CategoricalAccuracy": "SparseCategoricalAccuracy",
    "CategoricalCrossentropy": "SparseCategoricalCrossentropy",
    "TopKCategoricalAccuracy": "SparseTopKCategoricalAccuracy",
}
_TWO_CLASS_METRICS = frozenset(
    {
        "AUC",
        "BinaryAccuracy",
        "BinaryCrossentropy",
        "BinaryIoU",
        "FalseNegatives",
        "FalsePositives",
        "Precision",
        "PrecisionAtRecall",
        "Recall",
        "RecallAtPrecision",
        "SensitivityAtSpecificity",
        "SpecificityAtSensitivity",
        "TrueNegatives",
        "TruePositives",
    }
)
_UNIT_PER_CLASS_METRICS = frozenset({"SparseCategoricalCrossentropy"})
_CLASS_METRICS = _UNIT_PER_CLASS_METRICS | {
    "hornbeam>CohenKappa",
    "hornbeam>ExpectedCalibrationError",
    "hornbeam>MatthewsCorrelation",
}
"""Metrics that take the labels for class numbers, and stop the training, or mean nothing, where they are none."""
_PROBABILITIES = frozenset({"softmax", "sigmoid"})
_CROSSENTROPIES = {"SparseCategoricalCrossentropy"} | (_ONE_HOT - {"CategoricalHinge"}) | _BINARY | _EITHER


@dataclass(frozen=True, slots=True)
class Output:
    """One end of a model, and the shape that comes out of it, batch first."""

    shape: Shape
    end: End

    @property
    def pointer(self) -> str:
        """To the layer that makes it."""
        return self.end.pointer

    @property
    def layer(self) -> Mapping[str, Any]:
        """The layer that makes it."""
        return self.end.layer

    @property
    def units(self) -> int | None:
        """The length of the last axis."""
        return self.shape[-1]

    @property
    def activation(self) -> str | None:
        """The last activation's name; None where the last layer is no place to look for one."""
        if self.layer["type"] in ("Softmax", "Sigmoid"):
            return str(self.layer["type"]).lower()
        name = "classifier_activation" if "application" in self.layer else "activation"
        activation = self.layer.get(name)
        if isinstance(activation, Mapping):
            return str(activation["type"])
        return "linear" if self.layer["type"] == "Dense" else None

    @property
    def units_pointer(self) -> str:
        """Where the number of units stands, as far as the last layer has one."""
        name = "classes" if "application" in self.layer else "units"
        return f"{self.pointer}/{name}" if name in self.layer else self.pointer


def check_output(end: End, shape: Shape) -> list[Finding]:
    """Everything that is wrong or doubtful between an output of this shape, its loss, its metrics and the labels."""
    if end.labels is None or end.loss is None:
        return check_alone(end, shape)
    output = Output(shape, end)
    findings = [*_check_activation(output), *_check_labels(end.loss, output, end.labels)]
    if end.labels.kind is LabelKind.CLASSES:
        findings += _check_metrics(end, output, len(end.labels.classes or ()))
    elif end.labels.kind is LabelKind.NUMBERS:
        findings += _check_metrics_of_numbers(end)
    if not any(finding.severity is Severity.ERROR for finding in findings):
        findings += _check_logits(end.loss, output)
    return findings


def _check_labels(loss: Mapping[str, Any], output: Output, labels: Labels) -> Iterator[Finding]:
    """The output and its loss against what is to be predicted."""
    if labels.kind is LabelKind.CLASSES:
        yield from _check_classification(loss, output, len(labels.classes or ()))
    elif labels.kind is LabelKind.ONE_HOT:
        yield from _check_one_hot(loss, output, len(labels.classes or ()))
    elif labels.kind is LabelKind.MULTI_LABEL:
        yield from _check_multi_label(loss, output, len(labels.columns))
    elif not labels.shape:
        yield from _check_regression(loss, output)
    elif len(labels.shape) == 1:
        yield from _check_columns(loss, output, labels.shape[0])


def _check_one_hot(loss: Mapping[str, Any], output: Output, classes: int) -> Iterator[Finding]:
    if loss["type"] in _SPARSE:
        yield Finding(
            pointer=output.end.loss_pointer,
            code="loss.wants_class_numbers",
            message=f"{loss['type']} wants class numbers, and the labels are one-hot.",
            suggestion="Use categorical_crossentropy, or kind: classes in dataset.target.",
        )
    else:
        yield from _check_units(output, classes)


def _check_multi_label(loss: Mapping[str, Any], output: Output, labels: int) -> Iterator[Finding]:
    if len(output.shape) != 2 or output.units != labels:
        yield _columns_wanted(output, labels)
    if loss["type"] in _SPARSE | _ONE_HOT:
        yield Finding(
            pointer=output.end.loss_pointer,
            code="loss.wants_one_class",
            message=f"{loss['type']} is for rows of one class, and a row may have any of {labels} labels.",
            suggestion="Use binary_crossentropy, with activation: sigmoid.",
        )


def check_alone(end: End, shape: Shape) -> list[Finding]:
    """What is wrong with an output whatever the labels are."""
    output = Output(shape, end)
    findings = list(_check_activation(output))
    if end.loss is not None and _is_over_one_unit(end.loss, output):
        findings.append(_over_one_unit(end.loss, output))
    return findings


def _check_activation(output: Output) -> Iterator[Finding]:
    if output.activation == "softmax" and output.units == 1:
        yield Finding(
            pointer=output.pointer,
            code="output.softmax_over_one",
            message="A softmax over one unit is always 1, so the model can't learn.",
            suggestion="Use activation: sigmoid for two classes, linear for regression, or one unit for each class.",
        )


def _check_columns(loss: Mapping[str, Any], output: Output, columns: int) -> Iterator[Finding]:
    """An output that predicts columns: one number for each."""
    if len(output.shape) != 2 or output.units not in (columns, columns * _numbers_each(loss)):
        yield _columns_wanted(output, columns)
    if loss["type"] in _FOR_CLASSES - _BINARY:
        yield Finding(
            pointer=output.end.loss_pointer,
            code="loss.wants_classes",
            message=f"{loss['type']} is for classes, and the columns are numbers to predict.",
            suggestion="Use mean_squared_error or mean_absolute_error.",
        )


def _columns_wanted(output: Output, columns: int) -> Finding:
    return Finding(
        pointer=output.units_pointer,
        code="output.wrong_shape",
        message=f"The output is to predict {columns} columns, and that of one row has the shape "
        f"{' x '.join(str(size) for size in output.shape[1:])}.",
        suggestion=f"End with a Dense layer of {columns} units.",
    )


def _numbers_each(loss: Mapping[str, Any]) -> int:
    """How many numbers a loss wants for each number that is to be predicted."""
    return len(loss["quantiles"]) if loss["type"] == "hornbeam>Quantile" else 1


def _check_regression(given: Mapping[str, Any], output: Output) -> Iterator[Finding]:
    loss = given["type"]
    if loss in _FOR_CLASSES:
        yield Finding(
            pointer=output.end.loss_pointer,
            code="loss.wants_classes",
            message=f"{loss} is for classes, and the dataset's labels are numbers to predict.",
            suggestion="Use mean_squared_error or mean_absolute_error.",
        )
    elif (wanted := _numbers_each(given)) > 1 and (output.units != wanted or len(output.shape) != 2):
        yield Finding(
            pointer=output.units_pointer,
            code="output.wrong_shape",
            message=f"{loss} has {wanted} quantiles, and the output of one row another shape.",
            suggestion=f"End with a Dense layer of {wanted} units.",
        )
    elif wanted == 1 and (output.units != 1 or len(output.shape) != 2):
        yield _one_unit(output, "The dataset has one number to predict")
    if output.units == 1 and output.activation in _PROBABILITIES:
        yield Finding(
            severity=Severity.WARNING,
            pointer=output.pointer,
            code="output.bounded",
            message=f"The last activation, {output.activation}, gives numbers from 0 to 1 only.",
            suggestion="Use activation: linear for regression.",
        )


def _check_classification(given: Mapping[str, Any], output: Output, classes: int) -> Iterator[Finding]:
    loss = given["type"]
    if _is_over_one_unit(given, output):
        yield _over_one_unit(given, output, classes)
    elif loss in _ONE_HOT:
        yield Finding(
            pointer=output.end.loss_pointer,
            code="loss.wants_one_hot",
            message=f"{loss} wants one-hot labels, and the dataset's labels are class numbers.",
            suggestion="Use sparse_categorical_crossentropy.",
        )
    elif loss in _SPARSE or (loss in _EITHER and (output.units != 1 or classes > 2)):
        yield from _check_units(output, classes)
    elif loss in _BINARY and classes > 2:
        yield Finding(
            pointer=output.end.loss_pointer,
            code="loss.wants_two_classes",
            message=f"{loss} tells two classes apart, and the dataset has {classes}.",
            suggestion=f"Use sparse_categorical_crossentropy, and {classes} units with softmax.",
        )
    elif loss in _BINARY and (output.units != 1 or len(output.shape) != 2):
        yield _one_unit(output, f"{loss} wants one number for each row", "with activation: sigmoid")
    elif loss in _REGRESSION:
        yield from _check_numbers_for_classes(loss, output)


def _is_over_one_unit(loss: Mapping[str, Any], output: Output) -> bool:
    """Whether a crossentropy divides each prediction by the sum of all units, and there is one."""
    return loss["type"] in _ONE_HOT - {"CategoricalHinge"} and loss.get("axis", -1) == -1 and output.units == 1


def _over_one_unit(loss: Mapping[str, Any], output: Output, classes: int | None = None) -> Finding:
    suggestion = "A single unit wants binary_crossentropy"
    if classes is None:
        suggestion += "; this loss wants one unit for each class"
    elif classes > 2:
        suggestion = f"Use sparse_categorical_crossentropy, and {classes} units with softmax"
    return Finding(
        pointer=output.end.loss_pointer,
        code="loss.over_one_unit",
        message=f"{loss['type']} over a single unit is 0 whatever it predicts, so the model can't learn.",
        suggestion=f"{suggestion}.",
    )


def _check_units(output: Output, classes: int) -> Iterator[Finding]:
    if len(output.shape) != 2:
        yield Finding(
            pointer=output.pointer,
            code="output.wrong_shape",
            message=f"The output of one row has {len(output.shape) - 1} axes; the loss wants one number a class.",
            suggestion="Insert a Flatten or a pooling layer before the last Dense, or return_sequences: false.",
        )
    elif output.units is not None and output.units < classes:
        yield Finding(
            pointer=output.units_pointer,
            code="output.too_few_units",
            message=f"The output has {output.units} units, and the dataset has {classes} classes.",
            suggestion=f"Set units to {classes}.",
        )
    elif output.units is not None and output.units > classes:
        yield Finding(
            severity=Severity.WARNING,
            pointer=output.units_pointer,
            code="output.too_many_units",
            message=f"The output has {output.units} units, and the dataset has {classes} classes.",
            suggestion=f"Set units to {classes}.",
        )


def _check_numbers_for_classes(loss: str, output: Output) -> Iterator[Finding]:
    if output.units != 1 or len(output.shape) != 2:
        yield _one_unit(output, f"{loss} compares the output with the class number")
    yield Finding(
        severity=Severity.WARNING,
        pointer=output.end.loss_pointer,
        code="loss.ignores_classes",
        message=f"{loss} treats class numbers as quantities.",
        suggestion="Use sparse_categorical_crossentropy.",
    )


def _one_unit(output: Output, why: str, how: str = "") -> Finding:
    shape = " x ".join(str(size) for size in output.shape[1:])
    return Finding(
        pointer=output.units_pointer,
        code="output.one_unit_wanted",
        message=f"{why}, and the output of one row has the shape {shape}.",
        suggestion=f"End with a Dense layer of 1 unit{' ' if how else ''}{how}.",
    )


def _check_metrics_of_numbers(end: End) -> Iterator[Finding]:
    for where, metric in end.metrics:
        if metric["type"] in _CLASS_METRICS:
            yield Finding(
                pointer=where,
                code="metric.wants_classes",
                message=f"{metric['type']} is for classes, and what is to be predicted are numbers.",
                suggestion="Use MeanAbsoluteError or R2Score.",
            )


def _check_metrics(end: End, output: Output, classes: int) -> Iterator[Finding]:
    for where, metric in end.metrics:
        better = _ONE_HOT_METRICS.get(metric["type"])
        if better is not None:
            yield Finding(
                pointer=where,
                code="metric.wants_one_hot",
                message=f"{metric['type']} wants one-hot labels, and the dataset's labels are class numbers.",
                suggestion=f"Use {better}.",
            )
        elif metric["type"] in _TWO_CLASS_METRICS and classes > 2:
            yield Finding(
                pointer=where,
                code="metric.wants_two_classes",
                message=f"{metric['type']} tells two classes apart, and the dataset has {classes}.",
                suggestion="Use accuracy or SparseTopKCategoricalAccuracy.",
            )
        elif metric["type"] in _UNIT_PER_CLASS_METRICS and output.units is not None and output.units < classes:
            yield Finding(
                pointer=where,
                code="metric.does_not_fit",
                message=f"{metric['type']} wants a unit for each of {classes} classes; the output has {output.units}.",
                suggestion="Use BinaryCrossentropy for two classes and one unit.",
            )


def _check_logits(loss: Mapping[str, Any], output: Output) -> Iterator[Finding]:
    if loss["type"] not in _CROSSENTROPIES or output.activation is None:
        return
    if loss.get("from_logits") and output.activation in _PROBABILITIES:
        yield Finding(
            severity=Severity.WARNING,
            pointer=f"{output.end.loss_pointer}/from_logits",
            code="loss.logits_expected",
            message=f"The loss expects logits, and the last activation, {output.activation}, makes probabilities.",
            suggestion="Set from_logits to false, or the last activation to linear.",
        )
    elif not loss.get("from_logits") and output.activation not in _PROBABILITIES:
        yield Finding(
            severity=Severity.WARNING,
            pointer=output.pointer,
            code="loss.probabilities_expected",
            message=f"The loss expects probabilities, and the last activation, {output.activation}, does not make any.",
            suggestion=f"Use activation: {'sigmoid' if loss['type'] in _BINARY else 'softmax'}, or from_logits: true.",
        )
