"""The two base models: what a client sends is strict, what we answer may grow.

Leaves the meaning of any field to the modules that inherit from these.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema


class Request(BaseModel):
    """Something that a client sends: unknown fields, loose types and NaN are refused, and it is frozen."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Response(BaseModel):
    """Something that we answer. Later versions may add fields, so a client should ignore unknown ones."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset from UTC")
    return moment


Timestamp = Annotated[datetime, AfterValidator(_in_utc)]
"""A moment with an offset; RFC 3339 in UTC on the wire."""

JsonObject = dict[str, Any]


def _not_a_number(value: Any) -> Any:
    return float("nan") if value is None else value


MetricValue = Annotated[
    float, BeforeValidator(_not_a_number), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})
]
"""A measured number. One that is not finite (a loss that ran away) is null on the wire, and NaN when it is read."""
