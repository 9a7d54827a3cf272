"""What belongs to one attempt, and the pieces of its supervision share."""

from dataclasses import dataclass
from pathlib import Path

from hornbeam.jobs.record import Attempt, Claim
from workers.draining import Draining
from workers.joblog import JobLog
from workers.lease import Lease
from workers.parts import Parts
from workers.scribe import Scribe
from workers.slots import Slot


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """One attempt at one job, in one slot."""

    parts: Parts
    claim: Claim
    slot: Slot
    draining: Draining
    workdir: Path
    lease: Lease
    scribe: Scribe
    log: JobLog

    @property
    def attempt(self) -> Attempt:
        """The right to write."""
        return self.claim.attempt

    @property
    def job_id(self) -> str:
        """The job."""
        return self.claim.job.id


def artifact_key(attempt: Attempt, name: str) -> str:
    """Where the artifact store keeps a file of this attempt.

    Each attempt has a place of its own: the file store knows no fencing token, and a late upload of a lost attempt
    must not replace a file that its successor has put on record.
    """
    return f"jobs/{attempt.job_id}/artifacts/{attempt.number}/{name}"
