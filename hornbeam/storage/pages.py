"""A page of a list, as every store hands it out."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, and the cursor for those that follow, None at the end."""

    rows: tuple[T, ...]
    next: str | None
