"""Checks and spells out what is done with the columns of a dataset before they go into the model.

Leaves what the layers give to the planner, and the graph that they make to `hornbeam.specs.column_graph`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hornbeam.datasets.columns import FED, feature_columns, in_words
from hornbeam.datasets.facts import ColumnFacts, facts_of
from hornbeam.specs.column_graph import AUTO, WHERE, pointer_to, usual_chain
from hornbeam.specs.components import Normalised
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.graphs import INPUT
from hornbeam.specs.learning import check_learning
from hornbeam.specs.models import ModelChecker
from hornbeam.specs.wording import any_of, quoted
from schemas.catalog import ComponentKind

_FOR_TEXT = frozenset({"Hashing", "StringLookup", "TextVectorization"})


def settle_preprocessing(normalised: dict[str, Any], checker: ModelChecker, report: Report) -> None:
    """Give every column that goes into the model its chain of layers, in place.

    Args:
        normalised: A spec whose dataset is known and whose columns are there.
        checker: For these layers alone: they are named apart from the model's.
        report: Where findings go.
    """
    dataset, model = normalised["dataset"], normalised["model"]
    given = dataset["preprocess"]
    if given is None:
        return
    facts = facts_of(dataset)
    inputs = list(model.get("inputs") or (INPUT,))
    wanted = [column for columns in feature_columns(dataset, facts, inputs).values() for column in columns]
    chains: Mapping[str, Any] = dict.fromkeys(wanted, AUTO) if given == AUTO else given
    _refuse_others(chains, wanted, report)
    _refuse_unfed({column: facts.columns[column] for column in wanted}, report)
    dataset["preprocess"] = {}
    for column in wanted:
        chain = chains.get(column, [])
        layers = usual_chain(facts.columns[column], model.get("input_shape")) if chain == AUTO else chain
        dataset["preprocess"][column] = _checked(column, layers, checker, report)
        _check_first(column, facts.columns[column], dataset["preprocess"][column], report)


def _refuse_others(chains: Mapping[str, Any], wanted: Sequence[str], report: Report) -> None:
    for column in chains:
        if column not in wanted:
            near = report.meant(column, wanted)
            suggestion = f"Did you mean {near!r}?" if near else f"Columns that do: {', '.join(wanted[:15])}."
            message = f"{quoted(column)} is no column that goes into the model."
            report.error(f"{WHERE}{pointer(column)}", "preprocess.no_feature", message, suggestion)


def _refuse_unfed(columns: Mapping[str, ColumnFacts], report: Report) -> None:
    for column, facts in columns.items():
        if facts.kind not in FED:
            message = f"{quoted(column)} is {in_words(facts)}, of which no layer makes numbers."
            suggestion = "Leave it out, or bring what matters of it as columns of numbers: the hour, the weekday."
            report.error("/dataset/features", "dataset.columns_unfit", message, suggestion)


def _checked(column: str, layers: Sequence[Any], checker: ModelChecker, report: Report) -> list[Normalised | None]:
    checked = []
    for index, given in enumerate(layers):
        where = pointer_to(column, index)
        layer = checker.check(ComponentKind.LAYER, given, where)
        if layer is not None and "type" not in layer:
            report.error(where, "component.type", "Here must be a layer with a type, not a whole model.")
        elif layer is not None:
            check_learning({**layer, "name": layer["type"]}, where, report)
        checked.append(layer)
    return checked


def _check_first(column: str, kind: ColumnFacts, chain: Sequence[Normalised | None], report: Report) -> None:
    """Text has to become numbers at once: what Keras's other layers make of it only fails in the first step."""
    first = chain[0] if chain else None
    if first is None or not kind.is_text or first.get("type") in _FOR_TEXT:
        return
    message = f"{first['type']} takes numbers, and {quoted(column)} is {in_words(kind)}."
    suggestion = f"Begin with {any_of(sorted(_FOR_TEXT))}."
    report.error(pointer_to(column, 0), "preprocess.wants_text", message, suggestion)
