"""What a request is given: the one `Service` of this process, typed.

Leaves opening and closing it to the application's lifespan.
"""

from dataclasses import dataclass
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Path, Query, Request

from service.catalogues import Catalogues
from service.datasets import Datasets
from service.documents import Documents
from service.fleet import Fleet
from service.instruments import Instruments
from service.parts import Parts
from service.stopping import Stopping
from service.submission import Submissions
from service.threads import Threads
from service.uploads import Uploads
from service.views import JobViews
from service.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that requests share."""

    parts: Parts
    threads: Threads
    fleet: Fleet
    views: JobViews
    submissions: Submissions
    stopping: Stopping
    waiting: Waiting
    catalogues: Catalogues
    instruments: Instruments
    datasets: Datasets
    uploads: Uploads

    @property
    def documents(self) -> Documents:
        """The catalogue and the schema of a spec, as they are now."""
        return self.catalogues.documents


class State(TypedDict):
    """What the lifespan hands to the server, and the server to each request."""

    service: Service


def service_of(request: Request) -> Service:
    """The service that answers this request.

    For the two busiest operations: having FastAPI look for `Here` costs half of what the database does.
    """
    return cast("Service", request.state.service)


async def _service(request: Request) -> Service:
    return service_of(request)


Here = Annotated[Service, Depends(_service)]

JobId = Annotated[str, Path(description="The job's id.", examples=["job_01JA2V0QJ5E6G1S8T4M9XKZ3BD"])]
Wait = Annotated[
    float | None,
    Query(ge=0, le=60, description="Seconds to hold the answer back until there is something new.", examples=[30]),
]
Sequence = Annotated[
    int, Query(ge=0, le=2**53 - 1, description="Leave out everything up to this number.", examples=[0])
]
