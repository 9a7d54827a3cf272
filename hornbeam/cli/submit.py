"""`submit` and `watch`: from a spec file to a finished job."""

from typing import Annotated

import typer

from hornbeam.cli import pages, tables, wording
from hornbeam.cli.exits import code_of_job
from hornbeam.cli.findings import print_findings
from hornbeam.cli.plan import print_plan
from hornbeam.cli.session import AsJson, JobId, Server, Session, session
from hornbeam.cli.specfiles import read_spec
from hornbeam.cli.watching import follow
from schemas.jobs import Proof


def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The job spec, YAML or JSON; - is standard input.")],
    watch_it: Annotated[bool, typer.Option("--watch", "-w", help="Stay until the job is over.")] = False,
    validate_only: Annotated[bool, typer.Option("--validate-only", help="Check the spec, and nothing else.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job."""
    with session(server, as_json=as_json) as current:
        current.spec = read_spec(file)
        if validate_only:
            _print_proof(current, current.client.jobs.create(current.spec.document, validate_only=True))
            return
        job = current.client.jobs.create(current.spec.document)
        if job.findings:
            print_findings(current.errors, job.findings, current.spec)
        if watch_it:
            watch_to_the_end(current, job.id)
        elif as_json:
            current.print_json(job)
        else:
            current.out.print(pages.headline(job))
            current.errors.print(f"Watch it with `hornbeam watch {job.id}`.", soft_wrap=True)


def watch(job_id: JobId, server: Server = None, as_json: AsJson = False) -> None:
    """Watch a job until it is over, then show its result. Ctrl-C leaves the job alone."""
    with session(server, as_json=as_json) as current:
        watch_to_the_end(current, job_id)


def watch_to_the_end(current: Session, job_id: str) -> None:
    """Show a job until it is over, then its result; exits with the code of how it ended."""
    if current.as_json:
        for event in current.client.jobs.events(job_id):
            current.print_json(event)
        raise typer.Exit(code_of_job(current.client.jobs.get(job_id)))
    job = current.client.jobs.get(job_id)
    current.out.print(pages.headline(job))
    if job.queue:
        current.out.print(pages.waiting_line(job.queue), style="dim")
    job, course = follow(current.client, job_id, current.out)
    if course.epochs:
        current.out.print("", tables.result_table(course), "")
    if job.summary.test:
        current.out.print(f"test  {wording.metrics(job.summary.test)}", highlight=False)
    current.out.print(pages.summary_line(job), style=wording.STATUS_STYLE.get(job.status, ""))
    if job.error:
        pages.print_failure(current.out, job.error)
    raise typer.Exit(code_of_job(job))


def _print_proof(current: Session, proof: Proof) -> None:
    if current.as_json:
        current.print_json(proof)
        return
    if proof.findings:
        print_findings(current.errors, proof.findings, current.spec)
    if proof.plan:
        print_plan(current.out, proof.plan)
    current.out.print("The spec is valid." if proof.proven else "The spec is valid; no planner was there to prove it.")
