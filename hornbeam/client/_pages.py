"""Lists that the service hands out page by page, as one iterator."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from hornbeam.client._transport import QueryValue, Transport

Row = TypeVar("Row")
Row_co = TypeVar("Row_co", covariant=True)


class Page(Protocol[Row_co]):
    """What every list of the service looks like: `JobPage`, `LogPage` and so on."""

    @property
    def data(self) -> Sequence[Row_co]:
        """The rows."""
        ...

    @property
    def next(self) -> str | None:
        """What to ask for next; None at the end."""
        ...


class PageModel(Protocol[Row_co]):
    """The class of a page, as far as it matters here."""

    def model_validate_json(self, json_data: bytes, /) -> Page[Row_co]:
        """A page from its JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """A list: its path, what a page of it looks like, and which rows to ask for."""

    path: str
    page: PageModel[Row]
    query: Mapping[str, QueryValue] = field(default_factory=dict)


def every_row(transport: Transport, listing: Listing[Row]) -> Iterator[Row]:
    """The rows of a list, asking for the next page when the last one is used up."""
    query = dict(listing.query)
    while True:
        page = listing.page.model_validate_json(transport.get(listing.path, query).content)
        yield from page.data
        if page.next is None:
            return
        query["after"] = page.next
