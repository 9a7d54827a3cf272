"""Lists of jobs, page by page: an index leads to where a cursor points.

So a deep page costs what the first one costs, and rows that come or go in between shift nothing.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, select, tuple_, union_all

from hornbeam.jobs.record import JobRecord
from hornbeam.storage.base import JobQuery, JobStore
from hornbeam.storage.pages import Page
from hornbeam.storage.sql.changes import JOB_COLUMNS
from hornbeam.storage.sql.cursors import Place, decode, encode, pair_digest
from hornbeam.storage.sql.part import Part
from hornbeam.storage.sql.tables import jobs, tags
from schemas.jobs import JobStatus


class SqlListing(Part, JobStore):
    """The part of the store that lists jobs."""

    def list_jobs(self, query: JobQuery) -> Page[JobRecord]:
        """See JobStore."""
        after = None if query.after is None else decode(query.after, _bound(query))
        with self._database.reading() as connection:
            found = [JobRecord(*row) for row in connection.execute(_statement(query, after))]
        rows = tuple(found[: query.limit])
        more = len(found) > len(rows)
        return Page(rows, encode((rows[-1].created_at, rows[-1].id), _bound(query)) if more else None)


def _statement(query: JobQuery, after: Place | None) -> Select[Any]:
    """The rows of a page, and one more if there is one."""
    places = _places(query, after).subquery("page")
    return _ordered(select(*JOB_COLUMNS).join(places, places.c.id == jobs.c.id), jobs.c.created_at, jobs.c.id, query)


def _places(query: JobQuery, after: Place | None) -> Select[Any]:
    if query.metadata:
        return _tagged(query, after)
    if len(query.statuses) <= 1:
        return _with_status(query, after, *query.statuses)
    # One index range per status, each in order already and no longer than the page.
    each = [select(_with_status(query, after, status).subquery()) for status in sorted(query.statuses)]
    merged = union_all(*each).subquery()
    return _ordered(select(merged), merged.c.created_at, merged.c.id, query).limit(query.limit + 1)


def _with_status(query: JobQuery, after: Place | None, status: JobStatus | None = None) -> Select[Any]:
    where = _range(query, after, jobs.c.created_at, jobs.c.id)
    if status is not None:
        where.append(jobs.c.status == status)
    statement = select(jobs.c.created_at, jobs.c.id).where(and_(True, *where))
    return _ordered(statement, jobs.c.created_at, jobs.c.id, query).limit(query.limit + 1)


def _tagged(query: JobQuery, after: Place | None) -> Select[Any]:
    first, *others = (pair_digest(key, value) for key, value in sorted(query.metadata.items()))
    where = [tags.c.pair == first, *_range(query, after, tags.c.created_at, tags.c.job_id)]
    for pair in others:
        also = tags.alias()
        where.append(
            select(also.c.job_id)
            .where(also.c.pair == pair, also.c.created_at == tags.c.created_at, also.c.job_id == tags.c.job_id)
            .exists()
        )
    statement = select(tags.c.created_at, tags.c.job_id.label("id")).where(*where)
    if query.statuses:
        statement = statement.join(jobs, jobs.c.id == tags.c.job_id).where(jobs.c.status.in_(sorted(query.statuses)))
    return _ordered(statement, tags.c.created_at, tags.c.job_id, query).limit(query.limit + 1)


def _range(query: JobQuery, after: Place | None, at: Any, id: Any) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if query.created_after is not None:
        where.append(at > query.created_after)
    if after is not None:
        here = tuple_(at, id)
        there = tuple_(literal(after[0], at.type), literal(after[1], id.type))
        where.append(here < there if query.newest_first else here > there)
    return where


def _ordered(statement: Select[Any], at: Any, id: Any, query: JobQuery) -> Select[Any]:
    return statement.order_by(at.desc(), id.desc()) if query.newest_first else statement.order_by(at, id)


def _bound(query: JobQuery) -> list[Any]:
    """What a cursor is bound to: the list's order and filters, not the size of its pages."""
    since = None if query.created_after is None else query.created_after.timestamp()
    return [query.newest_first, sorted(query.statuses), sorted(query.metadata.items()), since]
