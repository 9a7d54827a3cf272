"""`list`, `show`, `cancel`, `delete`, `logs`: commands about jobs that exist."""

from itertools import islice
from typing import Annotated

import typer

from hornbeam.cli import pages, tables
from hornbeam.cli.session import AsJson, JobId, Server, session
from schemas.jobs import JobStatus


def list_jobs(
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs with this status.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only jobs that carry this pair; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    pairs = dict(_pair(text) for text in metadata or [])
    with session(server, as_json=as_json) as current:
        jobs = list(islice(current.client.jobs.list(status=status, metadata=pairs), limit))
        if as_json:
            current.print_json(*jobs)
        elif jobs:
            current.out.print(tables.job_table(jobs, current.out.width))
        else:
            current.errors.print("No jobs yet. Try `hornbeam submit examples/digits-lstm.yaml --watch`.")


def show(job_id: JobId, server: Server = None, as_json: AsJson = False) -> None:
    """Show a job: what it is, how far it has come, what it produced."""
    with session(server, as_json=as_json) as current:
        job = current.client.jobs.get(job_id)
        if as_json:
            current.print_json(job)
            return
        pages.print_job(current.out, job)
        if checkpoints := current.client.jobs.checkpoints(job_id):
            current.out.print("", tables.checkpoint_table(checkpoints))
        if artifacts := current.client.jobs.artifacts(job_id):
            current.out.print("", tables.artifact_table(artifacts))


def cancel(job_id: JobId, server: Server = None, as_json: AsJson = False) -> None:
    """Cancel a job; what it has saved so far stays."""
    with session(server, as_json=as_json) as current:
        job = current.client.jobs.cancel(job_id)
        if as_json:
            current.print_json(job)
        else:
            current.out.print(pages.headline(job))


def delete(job_id: JobId, server: Server = None) -> None:
    """Delete a job that is over, with its checkpoints and files."""
    with session(server) as current:
        current.client.jobs.delete(job_id)
        current.out.print(f"{job_id} deleted")


def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Print what the trainer wrote."""
    with session(server, as_json=as_json) as current:
        for line in current.client.jobs.logs(job_id, follow=follow):
            if as_json:
                current.print_json(line)
            else:
                current.out.print(line.text, soft_wrap=True)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE.", param_hint="--metadata")
    return key, value
