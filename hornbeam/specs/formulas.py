"""Which components are formulas, and whether those can be read: their errors as findings.

Leaves the grammar to `hornbeam.components.expressions`, and trying formulas out to the planner.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hornbeam.components.expressions import FormulaError, parse_for, parse_update
from hornbeam.specs.findings import pointer
from schemas.catalog import ComponentKind
from schemas.problems import Finding

FORMULAS: Mapping[ComponentKind, str] = {
    ComponentKind.ACTIVATION: "hornbeam>FormulaActivation",
    ComponentKind.LOSS: "hornbeam>FormulaLoss",
    ComponentKind.METRIC: "hornbeam>FormulaMetric",
    ComponentKind.OPTIMIZER: "hornbeam>FormulaOptimizer",
    ComponentKind.SCHEDULE: "hornbeam>FormulaSchedule",
}
"""The components of each kind that a spec writes as a formula."""


def formula_findings(kind: ComponentKind, component: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """What is wrong with the formulas of a normalised component, whose parameters have the right types."""
    formula, params = component.get("formula"), component.get("params") or {}
    if not isinstance(formula, str) or not isinstance(params, dict):
        return
    try:
        if kind is ComponentKind.OPTIMIZER:
            parse_update(formula, component.get("slots") or {}, params)
        else:
            parse_for(kind, formula, params)
    except FormulaError as error:
        place = "" if error.column is None else f" (column {error.column})"
        yield Finding(
            pointer=f"{where}{pointer(*error.where)}",
            code="formula.invalid",
            message=f"{error.message}{place}.",
            suggestion=error.suggestion,
        )
