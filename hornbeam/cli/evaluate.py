"""`hornbeam evaluate`: a finished job's model, measured on other rows."""

from typing import Annotated

import typer

from hornbeam.cli import pages
from hornbeam.cli.findings import print_findings
from hornbeam.cli.session import AsJson, JobId, Server, session
from hornbeam.cli.submit import watch_to_the_end


def evaluate(
    job_id: JobId,
    dataset: Annotated[str, typer.Option(metavar="DATASET", help="The id of a dataset, or a built-in one's name.")],
    watch_it: Annotated[bool, typer.Option("--watch", "-w", help="Stay until the job is over.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Measure the model of a finished job on another dataset, in a job of its own."""
    with session(server, as_json=as_json) as current:
        job = current.client.jobs.evaluate(job_id, dataset)
        if job.findings:
            print_findings(current.errors, job.findings)
        if watch_it:
            watch_to_the_end(current, job.id)
        elif as_json:
            current.print_json(job)
        else:
            current.out.print(pages.headline(job))
            current.errors.print(f"Watch it with `hornbeam watch {job.id}`.", soft_wrap=True)
