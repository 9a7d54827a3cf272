"""Whether columns are fit for what a spec uses them for: as weights, to split by, or to go into a model.

Works on the normalised spec, with the facts in its `dataset`, whose columns are known to exist. Leaves what is
predicted to `hornbeam.specs.data` and `hornbeam.specs.targets`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hornbeam.datasets.columns import feature_columns, in_words, target_names
from hornbeam.datasets.facts import DatasetFacts, facts_of
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.graphs import INPUT
from hornbeam.specs.walking import components
from hornbeam.specs.wording import quoted
from schemas.stored_datasets import ColumnKind

Dataset = Mapping[str, Any]

_PARTS = ("validation", "test")
_WITHOUT_ORDER = frozenset({ColumnKind.ARRAY, ColumnKind.IMAGE})
_FILLING = "hornbeam>Imputation"


def check_uses(dataset: Dataset, facts: DatasetFacts, report: Report) -> None:
    """Weights, splits, and columns that are named twice."""
    for where, columns in _lists(dataset):
        _check_once(where, columns, report)
    _check_answers(dataset, facts, report)
    _check_weights(dataset, facts, report)
    for part in _PARTS:
        _check_keys(dataset[part] or {}, facts, f"/dataset/{part}", report)
    validation, test = (dataset[part] or {} for part in _PARTS)
    if "column" in test and (test["column"], test["value"]) == (validation.get("column"), validation.get("value")):
        message = "The rows that test the model are those that validate it, and a row is in one part."
        report.error("/dataset/test", "split.same_rows", message, "Give the parts different values, or leave one out.")


def check_missing_features(normalised: Mapping[str, Any], report: Report) -> None:
    """Values that are missing among what goes into the model, in a spec whose layers are known."""
    dataset, model = normalised["dataset"], normalised["model"]
    facts, chains = facts_of(dataset), dataset["preprocess"] or {}
    wanted = feature_columns(dataset, facts, list(model.get("inputs") or (INPUT,))).values()
    lacking = [name for columns in wanted for name in columns if facts.columns[name].missing]
    if not lacking:
        return
    is_filled = any(layer["type"] == _FILLING for where, layer in components(normalised) if where.startswith("/model"))
    for name in lacking:
        _tell_missing(name, facts, is_filled or _is_filled(chains.get(name, ())), report)


def _tell_missing(name: str, facts: DatasetFacts, is_filled: bool, report: Report) -> None:
    column, where, code = facts.columns[name], "/dataset/features", "dataset.missing_values"
    rows = facts.rows_without(name)
    if column.kind in _WITHOUT_ORDER:
        message = f"{rows} nothing in {quoted(name)}, {in_words(column)}."
        report.error(where, code, message, "Leave those rows out of the file.")
    elif column.is_numeric and not is_filled:
        message = f"{rows} no number in {quoted(name)}: the loss will be NaN."
        report.warning(where, code, message, f"Add dataset.preprocess: {{{name}: [{_FILLING}]}}, or auto.")


def _is_filled(chain: Sequence[Mapping[str, Any]]) -> bool:
    return any(layer["type"] == _FILLING for layer in chain)


def _lists(dataset: Dataset) -> Iterator[tuple[str, Sequence[str]]]:
    """Each list of columns that a spec writes, with its pointer."""
    features, target = dataset["features"], dataset["target"]
    if isinstance(features, Mapping):
        yield from ((f"/dataset/features{pointer(name)}", columns) for name, columns in features.items())
    else:
        yield "/dataset/features", features or []
    if isinstance(target, Mapping):
        is_one = "columns" in target
        for where, part in [("", target)] if is_one else [(pointer(name), part) for name, part in target.items()]:
            if isinstance(part, Mapping):
                yield f"/dataset/target{where}/columns", part["columns"]


def _check_once(where: str, columns: Sequence[str], report: Report) -> None:
    seen = set()
    for index, name in enumerate(columns):
        if name in seen:
            report.error(
                f"{where}/{index}", "dataset.column_twice", f"{quoted(name)} stands here twice.", "Remove one."
            )
        seen.add(name)


def _check_answers(dataset: Dataset, facts: DatasetFacts, report: Report) -> None:
    """Whether all that is to be predicted goes in. Whoever predicts all that goes in means it; a window is earlier."""
    features, window = dataset["features"] or [], dataset["window"]
    listed = [name for part in features.values() for name in part] if isinstance(features, Mapping) else features
    targets = target_names(dataset, facts)
    given = [name for name in listed if name in targets]
    is_all = bool(given) and set(targets) <= set(given)
    if is_all and len(given) < len(listed) and (window is None or not window["horizon"]):
        message = f"{quoted(given[0])} goes into the model, and is what it is to predict: it has only to hand it on."
        suggestion = f"Leave {given[0]} out of the features."
        report.warning("/dataset/features", "dataset.target_is_feature", message, suggestion)


def _check_weights(dataset: Dataset, facts: DatasetFacts, report: Report) -> None:
    if dataset["weights"] is None:
        return
    name, column = dataset["weights"], facts.columns[dataset["weights"]]
    if not column.is_numeric:
        message = f"{quoted(name)} is {in_words(column)}, and a weight is a number."
        report.error("/dataset/weights", "dataset.weights_unfit", message, "Name a column of numbers.")
    elif any(value < 0 for value in column.values or () if not isinstance(value, str)):
        message = f"{quoted(name)} has values below 0, which no weight is."
        report.error("/dataset/weights", "dataset.weights_unfit", message)


def _check_keys(split: Mapping[str, Any], facts: DatasetFacts, where: str, report: Report) -> None:
    """The column that rows are grouped or sorted by."""
    for field in ("group", "time"):
        name = split.get(field)
        if name is None:
            continue
        column = facts.columns[name]
        if column.kind in _WITHOUT_ORDER:
            message = f"{quoted(name)} is {in_words(column)}, by which rows can't be told apart or sorted."
            report.error(f"{where}/{field}", "split.column_unfit", message)
        elif column.missing:
            message = f"{facts.rows_without(name)} no value in {quoted(name)}, and the split needs one."
            report.error(f"{where}/{field}", "split.missing_values", message, "Leave those rows out of the file.")
