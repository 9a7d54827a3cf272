"""What the data of a spec must be like: its columns, labels, splits and weights, against what is known of the dataset.

Works on the normalised spec, with the facts in its `dataset`. Leaves the shapes of inputs to `hornbeam.specs.inputs`,
and whether an output fits its labels to the planner.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from hornbeam.datasets.columns import UnfitColumns, target_names
from hornbeam.datasets.facts import DatasetFacts, as_json, facts_of, stored_parts
from hornbeam.datasets.labels import Labels, class_labels, labels_of
from hornbeam.datasets.splits import split_sizes
from hornbeam.specs.column_uses import check_uses
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.wording import quoted

Dataset = Mapping[str, Any]

WHERE = "/dataset"
_MOST_LISTED = 15
_FEWEST_OF_A_CLASS = 2
"""So that each part of a stratified split gets one."""
_MOST_DRAWN = 1_000_000_000
"""Numbers of a synthetic dataset: 4 GB."""


class Datasets(Protocol):
    """What is known of the datasets that clients brought."""

    def find(self, dataset_id: str) -> DatasetFacts | None:
        """The facts about one, or None where there is none. Raises StoreUnavailable."""


class NoDatasets:
    """Where nobody has brought any."""

    def find(self, dataset_id: str) -> DatasetFacts | None:  # noqa: ARG002
        """None."""
        return None


def add_facts(dataset: dict[str, Any], datasets: Datasets, report: Report) -> bool:
    """Put what is known of the datasets that a normalised `dataset` names into it, in place; whether all are there."""
    are_there = True
    for where, part in list(stored_parts(dataset)):
        dataset_id = part["source"]["id"]
        facts = datasets.find(dataset_id)
        if facts is None:
            are_there = False
            message = f"There is no dataset {dataset_id}."
            suggestion = "GET /v1/datasets lists those that there are."
            report.error(f"{where}/source/id", "dataset.not_found", message, suggestion)
        elif isinstance(part, dict):
            part["facts"] = as_json(facts)
    return are_there


def dataset_ids(dataset: Dataset | None) -> list[str]:
    """The datasets that clients brought and a normalised `dataset` names, each once."""
    return list(dict.fromkeys(part["source"]["id"] for _, part in stored_parts(dataset)))


def check_data(normalised: dict[str, Any], report: Report) -> None:
    """Columns, labels, splits, class weights and batches of a spec whose dataset is known."""
    dataset = normalised["dataset"]
    splits = ((f"{WHERE}/{name}", dataset[name] or {}) for name in ("validation", "test"))
    for where, part in ((WHERE, dataset), *splits):
        _check_synthetic(part.get("source", {}).get("synthetic"), f"{where}/source/synthetic/rows", report)
    facts = facts_of(dataset)
    if not _check_columns(dataset, facts, report):
        return
    check_uses(dataset, facts, report)
    _check_labels(dataset, facts, normalised["training"]["class_weight"], report)
    _check_missing(dataset, facts, report)
    training_rows = _check_splits(dataset, facts, report)
    batch_size = normalised["training"]["batch_size"]
    if batch_size > training_rows > 0:
        message = f"A batch is larger than the training data, which has {training_rows} rows: an epoch is one step."
        report.warning("/training/batch_size", "batch_size.larger_than_data", message)


def _check_synthetic(synthetic: Mapping[str, Any] | None, where: str, report: Report) -> None:
    numbers = 0 if synthetic is None else synthetic["rows"] * synthetic["columns"]
    if numbers > _MOST_DRAWN:
        message = f"At most {_MOST_DRAWN:,} numbers are drawn, not {numbers:,}."
        report.error(where, "dataset.too_large", message, "Ask for fewer rows or columns.")


def _check_columns(dataset: Dataset, facts: DatasetFacts, report: Report) -> bool:
    """Whether every column that is named is there."""
    all_there = True
    for where, name in _named_columns(dataset):
        if name not in facts.columns:
            all_there = False
            names = list(facts.columns)
            near = report.meant(name, names)
            suggestion = f"Did you mean {near!r}?" if near else f"There is: {', '.join(names[:_MOST_LISTED])}."
            message = f"The dataset has no column {quoted(name)}."
            report.error(f"{WHERE}{where}", "dataset.unknown_column", message, suggestion)
    return all_there


def _named_columns(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Each column that a spec names, with its pointer below the dataset's."""
    features, target = dataset["features"], dataset["target"]
    for place, columns in features.items() if isinstance(features, Mapping) else [(None, features or [])]:
        where = "/features" if place is None else f"/features{pointer(place)}"
        yield from ((f"{where}/{index}", name) for index, name in enumerate(columns))
    is_each = isinstance(target, Mapping) and "columns" not in target
    for place, part in target.items() if is_each else [(None, target)] if target is not None else []:
        where = "/target" if place is None else f"/target{pointer(place)}"
        if isinstance(part, str):
            yield where, part
        else:
            yield from ((f"{where}/columns/{index}", name) for index, name in enumerate(part["columns"]))
    if dataset["weights"] is not None:
        yield "/weights", dataset["weights"]
    for place in ("validation", "test"):
        split = dataset[place] or {}
        for field in ("column", "group", "time"):
            if split.get(field) is not None:
                yield f"/{place}/{field}", split[field]


def _check_labels(dataset: Dataset, facts: DatasetFacts, class_weight: Any, report: Report) -> None:
    target = dataset["target"]
    outputs = list(target) if isinstance(target, Mapping) and "columns" not in target else [None]
    for output in outputs:
        where = f"{WHERE}/target" if output is None else f"{WHERE}/target{pointer(output)}"
        try:
            labels_of(dataset, output)
        except UnfitColumns as error:
            code = "dataset.target_missing" if target is None else "dataset.target_unfit"
            report.error(where, code, f"The target can't be used: {error}.", _target_advice(facts, target))
            return
    if class_weight is not None:
        labels = class_labels(dataset)
        classes = None if labels is None else [str(value) for value in labels.classes or ()]
        _check_class_weight(class_weight, classes, report)


def _target_advice(facts: DatasetFacts, target: Any) -> str | None:
    if target is not None:
        return "Name a column of numbers, or one with few values."
    few = [name for name, column in facts.columns.items() if column.values is not None]
    example = (few or list(facts.columns))[-1]
    return f"Add dataset.target: {example}, or the column that is to be predicted."


def _check_class_weight(weights: Any, classes: Sequence[str] | None, report: Report) -> None:
    where = "/training/class_weight"
    if classes is None:
        message = "Classes can't be weighed: the dataset is for regression."
        report.error(where, "class_weight.no_classes", message, "Leave class_weight out.")
        return
    valid = {str(number) for number in range(len(classes))}
    for key in weights if isinstance(weights, Mapping) else ():
        if key not in valid:
            message = f"There is no class {quoted(key)}: classes are numbered from 0 to {len(valid) - 1}."
            suggestion = f"{classes.index(key)!r} is {key!r}." if key in classes else None
            report.error(f"{where}{pointer(key)}", "class_weight.unknown_class", message, suggestion)


def _check_missing(dataset: Dataset, facts: DatasetFacts, report: Report) -> None:
    """A value that is missing among the labels makes the loss NaN, and one that goes into the model nearly always."""
    weights = [dataset["weights"]] if dataset["weights"] is not None else []
    for place, names in (("target", target_names(dataset, facts)), ("weights", weights)):
        for name in names:
            if facts.columns[name].missing:
                message = f"{facts.rows_without(name)} no value in {quoted(name)}, and the loss needs one."
                suggestion = "Leave those rows out of the file."
                report.error(f"{WHERE}/{place}", "dataset.missing_labels", message, suggestion)


def _check_splits(dataset: Dataset, facts: DatasetFacts, report: Report) -> int:
    """How many rows are left for training."""
    sizes = split_sizes(dataset)
    for part, rows in (("validation", sizes.validation), ("test", sizes.test)):
        if dataset[part] is not None:
            _check_split(dataset, part, (sizes.train, rows), report)
    if dataset["validation"] is None and dataset["test"] is None and sizes.train < 1:
        message = f"{facts.rows} rows are too few for one window of {dataset['window']['length']}."
        report.error(f"{WHERE}/window", "split.too_few_rows", message)
    return sizes.train


def _check_split(dataset: Dataset, part: str, sizes: tuple[int, int], report: Report) -> None:
    split, where, (training_rows, rows) = dataset[part], f"{WHERE}/{part}", sizes
    labels = class_labels(dataset) if split.get("stratify") else None
    if split.get("stratify") and labels is None:
        message = "A stratified split needs classes, and the dataset is for regression."
        report.error(f"{where}/stratify", "split.needs_classes", message, "Leave stratify out.")
    exclusive = [field for field in ("stratify", "group", "time") if split.get(field)]
    if dataset["window"] is not None and exclusive:
        message = "Windows are split by their order: the last rows are held back."
        report.error(f"{where}/{exclusive[0]}", "split.of_windows", message, f"Leave {exclusive[0]} out.")
    elif len(exclusive) > 1:
        message = f"A split can't go by {exclusive[0]} and {exclusive[1]} at once."
        report.error(f"{where}/{exclusive[1]}", "split.contradiction", message, f"Leave {exclusive[1]} out.")
    if "column" in split and facts_of(dataset).columns[split["column"]].counts is None:
        message = f"How many rows have each value of {quoted(split['column'])} is not known."
        suggestion = "Name a column of whole numbers, booleans or text with few values."
        report.error(f"{where}/column", "split.column_unfit", message, suggestion)
        return
    if "column" in split and rows == 0:
        message = f"No row has {split['value']!r} in {quoted(split['column'])}."
        report.error(f"{where}/value", "split.no_rows", message, _values_of(dataset, split["column"]))
        return
    if labels is not None:
        _check_rare(labels, facts_of(dataset), f"{where}/stratify", report)
    fewest = len(labels.classes or ()) if labels is not None else 1
    if min(training_rows, rows) < fewest:
        left = f"{max(0, training_rows)} would be left for training and {rows} for {part}"
        message = f"Of {facts_of(dataset).rows} rows {left}; each needs {fewest} or more."
        report.error(f"{where}/{next(iter(split))}", "split.too_few_rows", message)


def _check_rare(labels: Labels, facts: DatasetFacts, where: str, report: Report) -> None:
    """Each part needs a row of every class."""
    column = labels.columns[0]
    counts = facts.columns[column].counts or ()
    rare = [value for value, count in zip(labels.classes or (), counts, strict=False) if count < _FEWEST_OF_A_CLASS]
    if rare:
        shown = ", ".join(quoted(str(value)) for value in rare[:_MOST_LISTED])
        message = f"A stratified split needs two rows of each class, and {quoted(column)} has one of {shown}."
        report.error(where, "split.rare_class", message, "Leave stratify out, or bring more such rows.")


def _values_of(dataset: Dataset, column: str) -> str | None:
    values = facts_of(dataset).columns[column].values
    return None if values is None else f"There is: {', '.join(map(str, values[:_MOST_LISTED]))}."
