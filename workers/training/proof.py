"""Proves a spec by building its model symbolically: every shape, every parameter count, and not a byte of weights.

Runs in a forked child of the planner, inside `keras.StatelessScope`, where variables have shapes and no values. It
goes as far as it can and reports all that it found. Leaves trying out formulas and other components of a client's or
operator's own to `workers.training.trials`, and limits on time and memory to whoever forked.
"""

import math
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from hornbeam.components.loading import loaded
from hornbeam.datasets.columns import feeds
from hornbeam.datasets.labels import Labels
from hornbeam.datasets.splits import split_sizes
from hornbeam.jobs.plan_text import plan_text
from hornbeam.queue.base import ProofAnswer
from hornbeam.specs.column_graph import WHERE, Preprocessing
from hornbeam.specs.graphs import INPUT
from schemas.jobs import LayerPlan, Plan
from schemas.problems import Finding, Severity
from workers.messages import PlanRequest
from workers.training.assembly import Assembler, Observer, kind_of
from workers.training.build import Builder, BuildError, build_error, trace
from workers.training.checks import check_output
from workers.training.ends import End, ends
from workers.training.estimates import Estimates, OptimizerState, estimate, memory_findings, with_estimates
from workers.training.failures import plain_message
from workers.training.preprocessing import assembled, graph_of
from workers.training.starving import starving_findings
from workers.training.trials import has_own_components, try_components
from workers.training.weights import foreseen

_GPU_IS_FASTER = 30
"""Than a CPU slot, about; the estimates are for those."""


def prove(request: PlanRequest) -> ProofAnswer:
    """Everything that can be said about a normalised spec without training it.

    What the scope made stays without values when it is left, so a model may be larger than the machine.
    """
    spec = request.spec
    keras.config.set_dtype_policy(spec["training"]["dtype_policy"])
    proof = _Proof(request, Builder(loaded().catalogue))
    # Optimizers make their step counter at once, which the scope does not allow.
    proof.check_optimizer()
    with keras.StatelessScope(initialize_variables=False):
        answer = proof.run()
    has_errors = any(finding.severity is Severity.ERROR for finding in answer.findings)
    if has_errors or not has_own_components(spec, proof.builder):
        return answer
    # Keras remembers what the scope left without values, and would give it some after the next trace.
    _forget_everything(spec)
    return answer.model_copy(update={"findings": [*answer.findings, *proof.trials()]})


def _forget_everything(spec: Mapping[str, Any]) -> None:
    """What Keras remembers of what was made so far; not the spec's types."""
    keras.backend.clear_session()
    keras.config.set_dtype_policy(spec["training"]["dtype_policy"])


@dataclass(slots=True)
class _Layers(Observer):
    """Counts what the layers have, and collects what is wrong with them."""

    max_parameters: int
    plans: list[LayerPlan] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    counted: set[int] = field(default_factory=set)
    parameters: int = 0
    trainable: int = 0

    def called(self, layer: Any, spec: Mapping[str, Any], pointer: str, outputs: Any) -> None:
        """Note what a layer has and gives; a shared one has its weights once. Raises BuildError past the limit."""
        parameters = 0 if id(layer) in self.counted else _sizes(layer.weights)
        trainable = 0 if id(layer) in self.counted else _sizes(layer.trainable_weights)
        self.counted.add(id(layer))
        self.plans.append(_layer_plan(layer, spec, pointer, outputs, parameters))
        self.count(parameters, trainable, pointer)

    def count(self, parameters: int, trainable: int, pointer: str) -> None:
        """Add to the sums. Raises BuildError past the limit."""
        self.parameters += parameters
        self.trainable += trainable
        if self.parameters > self.max_parameters:
            message = (
                f"With this layer the model has {self.parameters:,} parameters; {self.max_parameters:,} are allowed."
            )
            raise build_error(pointer, "model.too_large", message, "Make this layer smaller.")

    def failed(self, error: BuildError) -> None:
        """Note what is wrong, and go on."""
        self.findings.append(error.finding)


@dataclass(slots=True)
class _Chains(Observer):
    """Notes the layers that stand before the model. The first that fails ends it: the model's inputs are unknown."""

    graph: Preprocessing
    plans: list[LayerPlan] = field(default_factory=list)

    def called(self, layer: Any, spec: Mapping[str, Any], pointer: str, outputs: Any) -> None:
        """Note what a layer has and gives, and where it stands in the spec."""
        where = self.graph.pointers.get(pointer, WHERE)
        self.plans.append(_layer_plan(layer, spec, where, outputs, _sizes(layer.weights)))


class _Proof:
    def __init__(self, request: PlanRequest, builder: Builder) -> None:
        self.request, self.spec, self.builder = request, request.spec, builder
        self.layers = _Layers(request.max_parameters)
        self.optimizer_state: OptimizerState | None = None
        self.model: Any = None
        self.preprocess: Sequence[LayerPlan] = ()
        self.shapes: dict[str | None, tuple[int | None, ...]] = {}

    @property
    def findings(self) -> list[Finding]:
        return self.layers.findings

    def check_optimizer(self) -> None:
        """Make the optimizer, and ask it what it keeps about weights; where it wants values, running operations."""
        if self.spec["optimizer"] is None:
            return
        try:
            with _written_down():
                self.optimizer_state = OptimizerState.of(self.builder.optimizer(self.spec))
        except Exception:  # noqa: BLE001 - an operator's optimizer may raise anything, and has another chance
            # Without what Keras remembers of that graph, such as its generator of seeds.
            _forget_everything(self.spec)
            self._run_optimizer()

    def _run_optimizer(self) -> None:
        optimizer = self._attempt(self.builder.optimizer, self.spec)
        if optimizer is None:
            return
        try:
            self.optimizer_state = OptimizerState.of(optimizer)
        except Exception as error:  # noqa: BLE001 - an operator's optimizer may raise anything
            message = f"{type(optimizer).__name__} can't be built: {plain_message(error)}"
            self.findings.append(Finding(pointer="/optimizer", code="optimizer.invalid", message=message))

    def run(self) -> ProofAnswer:
        """The plan and the findings, as far as they go."""
        outputs = self._outputs()
        measures = {end.name: self._measures(end) for end in ends(self.spec)}
        for index, callback in enumerate(self.spec["callbacks"]):
            if callback is not None:
                self._attempt(self.builder.callback, callback, f"/callbacks/{index}")
        for end in ends(self.spec):
            output = outputs.get(end.name) if end.name else next(iter(outputs.values()), None)
            if output is not None:
                self.shapes[end.name] = tuple(output.shape)
                self._fit_together(end, output, measures[end.name])
        plan = self._plan(outputs)
        if self.model is not None:
            estimates = self._estimates()
            plan = with_estimates(plan, estimates)
            self.layers.findings += [*self._memory_findings(estimates), *self._starving_findings(estimates)]
        return ProofAnswer(plan=plan.model_copy(update={"text": plan_text(plan)}), findings=self.findings)

    def trials(self) -> list[Finding]:
        """What is found by trying out what the spec brings of its own: operations run, outside of the scope."""
        steps = (self._steps() or 1) * self.spec["training"]["epochs"]
        return try_components(self.spec, self.builder, self.shapes, steps)

    def _outputs(self) -> dict[str, Any]:
        """The model's symbolic outputs; None where a layer does not fit. Later layers are still made, to check them."""
        model = self.spec["model"]
        try:
            shapes, dtypes = self._fed()
            assembler = Assembler(self.builder, self.layers, dtypes)
            if "application" not in model:
                made = assembler.assemble(model, shapes)
                self._foresee_weights(made.layers, made.inputs)
                if all(output is not None for output in made.outputs.values()):
                    self.model = keras.Model(list(made.inputs.values()), list(made.outputs.values()))
                return made.outputs
            self.model = assembler.application(model, next(iter(shapes.values()), None), "/model")
            self._count_application(self.model)
            self._foresee_weights(self.model.layers, {INPUT: self.model.inputs[0]})
        except BuildError as error:
            self.findings.append(error.finding)
            return {"output": None}
        return {"output": self.model.outputs[0]}

    def _fed(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The shape and dtype of each input, as far as the dataset decides them. Raises BuildError."""
        dataset, graph = self.spec["dataset"], graph_of(self.spec)
        if dataset is None:
            return {}, {}
        if graph is not None:
            chains = _Chains(graph)
            outputs = assembled(graph, self.builder, chains).outputs
            self.preprocess = chains.plans
            shapes = {name: tuple(tensor.shape[1:]) for name, tensor in outputs.items()}
            return shapes, {name: str(tensor.dtype) for name, tensor in outputs.items()}
        found = feeds(dataset, list(self.spec["model"].get("inputs") or (INPUT,)))
        return (
            {name: feed.shape for name, feed in found.items()},
            {name: feed.dtype for name, feed in found.items() if feed.dtype is not None},
        )

    def _foresee_weights(self, layers: Sequence[Any], tensors: Mapping[str, Any]) -> None:
        """Whether layers that are all there can begin with the weights of another model, where that is known."""
        model = self.spec["model"]
        if not self.findings and (model.get("initial_weights") or {}).get("source") is not None:
            self.layers.findings += foreseen(layers, model, self.builder, tensors)

    def _count_application(self, application: Any) -> None:
        for layer in application.layers:
            if layer.weights or not isinstance(layer, keras.layers.InputLayer):
                self.layers.called(layer, {"type": type(layer).__name__}, "/model", layer.output)

    def _measures(self, end: End) -> list[tuple[str, Any]] | None:
        """The loss and the metrics of an output, with pointers; None where one can't be made."""
        loss = None
        if end.loss is not None:
            loss = self._attempt(self.builder.loss_of, end.loss, end.loss_pointer)
        metrics = [(where, self._attempt(self.builder.metric, metric, where)) for where, metric in end.metrics]
        measures = [(end.loss_pointer, loss), *metrics] if end.loss is not None else metrics
        return None if any(measure is None for _, measure in measures) else measures

    def _attempt(self, make: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return make(*arguments)
        except BuildError as error:
            self.findings.append(error.finding)
            return None

    def _fit_together(self, end: End, output: Any, measures: list[tuple[str, Any]] | None) -> None:
        """The rules first; where they find no error, the loss and the metrics themselves have the last word."""
        shape = tuple(output.shape)
        found = check_output(end, shape)
        self.layers.findings += found
        has_errors = any(finding.severity is Severity.ERROR for finding in found)
        if end.labels is None or has_errors or measures is None:
            return
        rows = 7 if 7 not in shape else 11  # a number, and no other axis's, so that nothing fits by chance
        labels = _labels(end.labels, rows)
        batch = keras.KerasTensor((rows, *shape[1:]), output.dtype)
        self.layers.findings += _measure(measures, labels, batch)
        if self.spec["training"].get("class_weight") is not None:
            self.layers.findings += _unweighed(measures, labels, batch)

    def _plan(self, outputs: Mapping[str, Any]) -> Plan:
        whole = all(output is not None for output in outputs.values())
        return Plan(
            preprocess=list(self.preprocess),
            layers=self.layers.plans,
            parameters=self.layers.parameters if whole else None,
            trainable_parameters=self.layers.trainable if whole else None,
            output_shape=list(next(iter(outputs.values())).shape) if whole and len(outputs) == 1 else None,
            steps_per_epoch=self._steps(),
        )

    def _estimates(self) -> Estimates:
        return estimate(
            self.model,
            optimizer=self.optimizer_state,
            batch_size=self.spec["training"]["batch_size"],
            rows=self._rows(),
        )

    def _memory_findings(self, estimates: Estimates) -> list[Finding]:
        """What is said of the memory that a step takes; this process holds as much as a trainer before its first."""
        found = memory_findings(estimates, self.request.slot_bytes, base_bytes=resident_bytes_of_this())
        if self.request.slot_is_certain:
            return found
        return [finding.model_copy(update={"severity": Severity.WARNING}) for finding in found]

    def _starving_findings(self, estimates: Estimates) -> list[Finding]:
        """Whether the model would wait for its data."""
        if self.spec["dataset"] is None:
            return []
        seconds = estimates.seconds_per_epoch
        faster = _GPU_IS_FASTER if self.spec["resources"]["gpu"] else 1
        return starving_findings(
            self.spec["dataset"],
            [tuple(tensor.shape[1:]) for tensor in self.model.inputs],
            room_bytes=(self.request.slot_bytes, self.request.max_file_bytes),
            epoch_seconds=None if seconds is None else seconds.low / faster,
        )

    def _rows(self) -> int | None:
        dataset = self.spec["dataset"]
        return None if dataset is None else split_sizes(dataset).train

    def _steps(self) -> int | None:
        rows = self._rows()
        return None if rows is None else math.ceil(rows / int(self.spec["training"]["batch_size"]))


def _written_down() -> AbstractContextManager[Any]:
    """Where TensorFlow writes operations into a graph. Running the first takes it a third of a proof."""
    if keras.config.backend() != "tensorflow":
        return nullcontext()
    import tensorflow  # noqa: PLC0415 - only where it is the backend

    graph: AbstractContextManager[Any] = tensorflow.Graph().as_default()
    return graph


def _labels(labels: Labels, rows: int) -> Any:
    """Symbolic labels of some rows."""
    return keras.KerasTensor((rows, *labels.shape), labels.dtype)


def _measure(measures: Iterable[tuple[str, Any]], labels: Any, outputs: Any) -> list[Finding]:
    """What does not fit labels and outputs of these shapes."""
    findings = []
    for pointer, measure in measures:
        if isinstance(measure, str):
            continue
        try:
            trace(measure, labels, outputs)
        except Exception as error:  # noqa: BLE001 - any error here says that the measure does not fit
            kind = "loss" if pointer.startswith("/loss") else "metric"
            message = (
                f"{type(measure).__name__} can't compare {labels.shape[0]} labels with an output of shape "
                f"{tuple(outputs.shape)}: {plain_message(error)}"
            )
            findings.append(Finding(pointer=pointer, code=f"{kind}.does_not_fit", message=message))
    return findings


def _unweighed(measures: Iterable[tuple[str, Any]], labels: Any, outputs: Any) -> Iterator[Finding]:
    """A warning for a loss over the batch as a whole, of which weights of rows can pick nothing out."""
    for _, measure in measures:
        if isinstance(measure, keras.losses.Loss) and _gives_one_number(measure, labels, outputs):
            yield Finding(
                severity=Severity.WARNING,
                pointer="/training/class_weight",
                code="loss.ignores_weights",
                message=f"{type(measure).__name__} is one number for all rows of a batch: weights scale it as a whole.",
                suggestion="Leave class_weight out, or take a loss with a number for each row.",
            )


def _gives_one_number(loss: Any, labels: Any, outputs: Any) -> bool:
    """Whether a loss has no axis of rows left before it is reduced; not where it does not fit, which was said."""
    try:
        return tuple(trace(loss.call, labels, outputs).shape) == ()
    except Exception:  # noqa: BLE001 - an operator's loss may raise anything
        return False


def _layer_plan(layer: Any, spec: Mapping[str, Any], pointer: str, outputs: Any, parameters: int) -> LayerPlan:
    return LayerPlan(
        pointer=pointer,
        name=spec.get("name") or layer.name,
        type=kind_of(spec) if "shared" not in spec else type(layer).__name__,
        output_shape=list(_first(outputs).shape),
        parameters=parameters,
    )


def _first(outputs: Any) -> Any:
    """The only output, or the first of several."""
    return keras.tree.flatten(outputs)[0]


def resident_bytes_of_this() -> int:
    """What this process holds."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else 0


def _sizes(variables: Iterable[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
