"""Checks and spells out whole models: their layers by the catalogue, nested models, applications, Keras's JSON.

A normalised model is `{"layers": […], "input_shape": …}` for layers in order, has `inputs` and `outputs` besides where
it is a graph, or is `{"application": name, **parameters}`. What came as Keras's JSON is one of these afterwards.
Leaves single components to `hornbeam.specs.components` and the wiring of graphs to `hornbeam.specs.graphs`.
"""

from collections.abc import Sequence
from typing import Any

from hornbeam.components.catalog import CatalogueIndex
from hornbeam.specs.components import ComponentChecker, Normalised
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.graphs import is_graph, settle_graph
from hornbeam.specs.inputs import check_sizes
from hornbeam.specs.keras_json import translate
from hornbeam.specs.layer_names import check_names, settle_names
from hornbeam.specs.learning import check_learning
from hornbeam.specs.shape import validate_model
from hornbeam.specs.wording import quoted
from schemas.catalog import ComponentKind

_KINDS = ("type", "model", "shared")
"""What a layer is made of: one of these."""
WIRING = ("inputs", "call")
"""What the spec says of a layer in a model, beside its type and parameters."""
_FIELDS = frozenset({*_KINDS, *WIRING, "name", "trainable"})


class ModelChecker(ComponentChecker):
    """Checks a spec's components, and its models with all that they are made of."""

    def __init__(self, catalogue: CatalogueIndex, report: Report, max_dimension: int) -> None:
        super().__init__(catalogue, report, max_dimension)
        self._models: list[tuple[dict[str, Any], list[str], str]] = []
        self.pointers: dict[str, str] = {}
        """Where the layers of a translated model were posted, by their pointers in the normalised spec."""

    def check_model(
        self, model: dict[str, Any], where: str, depth: int = 0, shape_at: str = "", layers_at: Sequence[str] = ()
    ) -> dict[str, Any] | None:
        """The normalised model, or None where it can't be read. Its wiring waits for `settle`.

        Args:
            model: Of the right shape, every field present.
            where: Its pointer.
            depth: How deep it nests.
            shape_at: The pointer to its input shape, where that stands somewhere else.
            layers_at: The pointers to its layers, where some of them do.
        """
        if "application" in model:
            checked = self._application(model, where, depth)
        elif "keras_json" in model:
            checked = self._translated(model["keras_json"], where, depth)
        else:
            usual = [f"{where}/layers/{index}" for index in range(len(model["layers"]))]
            wheres = list(layers_at) or usual
            self.pointers.update(pair for pair in zip(usual, wheres, strict=True) if pair[0] != pair[1])
            check_sizes(model["input_shape"], self._max_dimension, shape_at or f"{where}/input_shape", self._report)
            for name, given in (model["inputs"] or {}).items():
                there = f"{where}/inputs{pointer(name)}/shape"
                check_sizes(given["shape"], self._max_dimension, there, self._report)
            checked = self._layers(model, wheres, where, depth)
        if checked is not None:
            # The same object, which waits for its wiring.
            checked["initial_weights"] = model.get("initial_weights")
            if depth and checked["initial_weights"] is not None:
                message = "Only the whole model can begin with the weights of another, and this one is a part of it."
                suggestion = "Move it to model.initial_weights, whose layers may name this one."
                self._report.error(f"{where}/initial_weights", "weights.nested", message, suggestion)
        return checked

    def settle(self) -> None:
        """Name all layers and wire all graphs that were checked, in place."""
        for model, wheres, _ in self._models:
            check_names(model["layers"], wheres, self._report)
        settle_names(self.layers)
        for model, wheres, where in self._models:
            for layer, layer_where in zip(model["layers"], wheres, strict=True):
                check_learning(layer, layer_where, self._report)
            if is_graph(model):
                settle_graph(model, wheres, where, self._report)

    def untyped_layer(self, given: dict[str, Any], where: str, depth: int) -> Normalised | None:
        """A whole model in a layer's place, or a finding."""
        if given.get("model") is None:
            return super().untyped_layer(given, where, depth)
        self._refuse_parameters(given, "A layer that is a model takes no such parameter", where)
        model = self._shaped(given["model"], f"{where}/model")
        checked = None if model is None else self.check_model(model, f"{where}/model", depth + 1)
        if checked is None:
            return None
        layer = {"model": checked, **self.layer_fields(given, where, depth)}
        self.layers.append(layer)
        return layer

    def _shaped(self, model: Any, where: str) -> dict[str, Any] | None:
        """A nested model with all its fields; one inside a wrapper's parameter has not been looked at yet."""
        shaped, findings = validate_model(model, where)
        self._report.add(findings)
        return shaped

    def _application(self, model: dict[str, Any], where: str, depth: int) -> dict[str, Any] | None:
        given = {name: value for name, value in model.items() if name not in ("application", "initial_weights")}
        checked = self.check(ComponentKind.APPLICATION, {"type": model["application"], **given}, where, depth)
        return None if checked is None else {"application": checked.pop("type"), **checked}

    def _translated(self, keras_json: Any, where: str, depth: int) -> dict[str, Any] | None:
        translation = translate(keras_json, f"{where}/keras_json", self._catalogue, self._report)
        if translation is None:
            return None
        for index, layer_where in enumerate(translation.pointers):
            self.pointers[f"{where}/layers/{index}"] = layer_where
        for given in ({"shape": translation.model.get("input_shape")}, *translation.model.get("inputs", {}).values()):
            check_sizes(given["shape"], self._max_dimension, f"{where}/keras_json", self._report)
        wheres = [f"{layer_where}/config" for layer_where in translation.pointers]
        return self._layers(translation.model, wheres, f"{where}/keras_json", depth)

    def _layers(self, model: dict[str, Any], wheres: Sequence[str], where: str, depth: int) -> dict[str, Any] | None:
        layers = [self._layer(layer, there, depth) for layer, there in zip(model["layers"], wheres, strict=True)]
        found = [layer for layer in layers if layer is not None]
        if len(found) < len(layers):
            return None
        checked = {name: model.get(name) for name in ("input_shape", "inputs", "outputs")}
        checked["layers"] = found
        self._models.append((checked, list(wheres), where))
        return checked

    def _layer(self, given: dict[str, Any], where: str, depth: int) -> Normalised | None:
        """One layer of a model, with its wiring."""
        kinds = [name for name in _KINDS if given.get(name) is not None]
        if len(kinds) > 1:
            message = f"A layer has a type, or a model, or a shared layer, and this one has {' and '.join(kinds)}."
            self._report.error(where, "layer.ambiguous", message, "Leave one of them out.")
            return None
        if kinds == ["shared"]:
            layer: Normalised | None = self._shared(given, where)
        else:
            own = {name: value for name, value in given.items() if name in kinds or name not in (*_KINDS, *WIRING)}
            layer = self.check(ComponentKind.LAYER, own, where, depth)
        if layer is not None:
            # The same object, which waits for its name.
            layer.update({name: given[name] for name in WIRING if given.get(name) is not None})
        return layer

    def _shared(self, given: dict[str, Any], where: str) -> Normalised | None:
        if not self.goes_on(where):
            return None
        of_its_own = {name: value for name, value in given.items() if name != "trainable" or value is not True}
        self._refuse_parameters(of_its_own, "It belongs to the layer that is shared", where, ("trainable",))
        layer: Normalised = {"shared": given["shared"], "name": given.get("name")}
        self.layers.append(layer)
        return layer

    def _refuse_parameters(self, given: dict[str, Any], why: str, where: str, besides: Sequence[str] = ()) -> None:
        for name in given:
            if name not in _FIELDS or name in besides:
                self._report.error(f"{where}{pointer(name)}", "parameter.unknown", f"{quoted(name)}: {why}.")
