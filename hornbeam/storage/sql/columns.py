"""The column types: how moments, JSON and text are written so that both databases give back what they took.

Leaves which columns there are to `tables`.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy import DateTime, Dialect, Enum, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

T = TypeVar("T")


class Moment(TypeDecorator[datetime]):
    """An aware moment in UTC, to the microsecond.

    PostgreSQL has a type for it. SQLite gets ISO 8601 of a fixed width: readable, and it sorts by time.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """`timestamptz` where there is one."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """What the driver is given."""
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The moment in UTC, whatever zone the database's session speaks."""
        if value is None:
            return None
        return (value if dialect.name == "postgresql" else datetime.fromisoformat(value)).astimezone(UTC)


class Plain(TypeDecorator[str]):
    """Text from anywhere.

    PostgreSQL refuses NUL and no database takes half a surrogate pair, and both reach us (in an id that a client
    made up, in what a trainer prints), so they become U+FFFD.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """What the driver is given."""
        return None if value is None else plain(value)


def plain(text: str) -> str:
    """Text that every database takes."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Json(TypeDecorator[T], Generic[T]):
    """A value of a Python type as JSON text: nothing is searched inside, so no JSON column is needed.

    Metrics may be NaN or infinite, which PostgreSQL's own JSON types refuse; pydantic reads and writes them.
    """

    impl = Text
    cache_ok = True

    def __init__(self, adapter: TypeAdapter[T]) -> None:
        super().__init__()
        self.adapter = adapter  # named as the parameter is: SQLAlchemy caches statements by it

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """What the driver is given."""
        if value is None:
            return None
        # What is a dict here is plain already: it needs no pass of its own.
        plain = value if isinstance(value, dict) else self.adapter.dump_python(value)
        return to_json(plain, inf_nan_mode="constants").decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:  # noqa: ARG002
        """The value, checked against its type."""
        return None if value is None else self.adapter.validate_json(value)


def word(words: type[StrEnum]) -> Enum:
    """One of some words, kept as text: a later version may add to them without touching the table."""
    return Enum(
        words,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda kind: [w.value for w in kind],
    )
