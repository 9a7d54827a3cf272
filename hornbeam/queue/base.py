"""What goes between processes and may be lost: wake-ups, live progress, nudges, questions to the planner.

Nothing here carries authority. A wake-up that is lost is sent again by the reconciler; progress that is lost
is followed by more; a nudge only makes somebody look at the database sooner.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from schemas.jobs import Plan, Progress
from schemas.problems import Finding
from schemas.strict import Response

TRAIN_QUEUE = "train"
PLAN_QUEUE = "plan"
TRAIN_TASK = "hornbeam.train"
PLAN_TASK = "hornbeam.plan"

UNPROVEN = "spec.unproven"
"""Code of the finding that goes with a job accepted while no planner answered: the worker proves such a job first."""


class JobQueue(ABC):
    """Sends wake-ups. A message holds the job's id and nothing else."""

    @abstractmethod
    def send(self, job_id: str) -> None:
        """Wake a worker up for this job, within a second or so. Raises QueueUnavailable; it may still arrive."""


class ProofAnswer(Response):
    """What the planner found out about a normalised spec."""

    plan: Plan | None
    findings: list[Finding]


class Planner(ABC):
    """Asks the planner, a process of its own, to prove a spec."""

    @abstractmethod
    async def prove(self, spec: Mapping[str, Any], *, timeout: float) -> ProofAnswer | None:
        """The proof of a normalised spec, or None when no planner answers within `timeout` seconds."""


class Live(ABC):
    """What a worker tells whoever watches. Never raises for a broker that is down: it is live or it is not."""

    @abstractmethod
    def publish_progress(self, job_id: str, progress: Progress) -> None:
        """Leave the progress where polls find it for a minute, and tell those who watch."""

    @abstractmethod
    def announce(self, job_id: str) -> None:
        """Tell those who watch that the database has news of this job."""

    @abstractmethod
    def nudge(self, job_id: str) -> None:
        """Tell the worker that trains this job to look at its orders now."""

    @abstractmethod
    def nudged(self, job_id: str) -> bool:
        """Whether somebody nudged this job since the last call; from the supervisor's thread."""


class Watch(ABC):
    """The async side of `Live`, for the API: one connection for all who watch."""

    @abstractmethod
    async def ping(self) -> bool:
        """Whether the broker answers just now."""

    @abstractmethod
    async def progress(self, job_id: str) -> Progress | None:
        """The freshest progress, or None where there is none or the broker is down."""

    @abstractmethod
    def watching(self, job_id: str) -> AbstractAsyncContextManager[AsyncIterator[Progress | None]]:
        """Signals for one job: a Progress, or None for "look at the database".

        One None comes at once. While the broker is down a None comes each second, so a watcher loses speed and
        nothing else.
        """
