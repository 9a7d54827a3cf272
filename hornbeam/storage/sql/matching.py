"""Which queued jobs a worker can run, as a condition in SQL: those that need no more than it has.

What a job needs of the operators' components is a list in its row, which both databases can look into: no job is read
for nothing, and none that needs nothing special pays for it.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    TableValuedAlias,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal,
    or_,
    select,
)

from hornbeam.storage.sql.tables import jobs

_HAS_GPU = or_(jobs.c.needs_gpu == false(), bindparam("b_gpu", type_=jobs.c.needs_gpu.type))
_NEEDS_NONE = jobs.c.needs_components == literal((), jobs.c.needs_components.type)


def _can_run(needed: TableValuedAlias) -> ColumnElement[bool]:
    """The condition, where `needed` has a row for each component that the job needs."""
    held: BindParameter[str] = bindparam("b_components", expanding=True)
    lacks_one = select(literal(1)).select_from(needed).where(needed.c.value.not_in(held)).exists()
    return and_(_HAS_GPU, or_(_NEEDS_NONE, ~lacks_one))


CAN_RUN: Mapping[str, ColumnElement[bool]] = {
    "sqlite": _can_run(func.json_each(jobs.c.needs_components).table_valued("value")),
    "postgresql": _can_run(func.json_array_elements_text(cast(jobs.c.needs_components, JSON)).table_valued("value")),
}
"""By the name of the dialect. `abilities` gives the parameters."""


def abilities(*, has_gpu: bool, components: Collection[str]) -> dict[str, Any]:
    """The parameters of `CAN_RUN` for one worker."""
    return {"b_gpu": has_gpu, "b_components": list(components)}
