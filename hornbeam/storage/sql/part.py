"""What every part of the store stands on: the database, the clock, and how rows become records."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Column, Row, Table

from hornbeam.storage.sql.database import Database

Clock = Callable[[], datetime]
AnyRow = Row[*tuple[Any, ...]]
"""A row of whatever columns; the statement that it comes from says which."""


def utc_now() -> datetime:
    """The clock of a store that is given no other."""
    return datetime.now(UTC)


class Part:
    """A part of the store; the parts share one database and one clock."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._now = clock

    def _spoken(self, statements: Mapping[str, Any]) -> Any:
        """The one of the statements, by the name of the dialect, that this database speaks."""
        return statements[self._database.engine.dialect.name]


def columns_of(record: type[Any], table: Table) -> tuple[Column[Any], ...]:
    """The columns of a record's fields, in their order, so that `Record(*row)` makes one."""
    return tuple(table.c[field.name] for field in fields(record))


def row_of(record: Any) -> dict[str, Any]:
    """A record as the values of a row: as it is, for the columns know their types."""
    return {name: getattr(record, name) for name in _names(record.__class__)}


@cache
def _names(record: type[Any]) -> tuple[str, ...]:
    """The fields of a record's type: `dataclasses.fields` takes longer to tell than a row to write."""
    return tuple(field.name for field in fields(record))
