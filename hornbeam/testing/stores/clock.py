"""A clock that moves when it is told to."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Moments for a store under test: it stands still until `advance`."""

    def __init__(self, now: datetime = datetime(2030, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The moment."""
        return self.now

    def advance(self, seconds: float) -> datetime:
        """Move on, and return the new moment."""
        self.now += timedelta(seconds=seconds)
        return self.now
