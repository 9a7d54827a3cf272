"""`demo`: a real training on this machine, from start to end. Leaves doing it to `demonstration`."""

from pathlib import Path
from typing import Annotated

import typer

from hornbeam.cli.exits import code_of_job
from hornbeam.cli.session import output, reporting


def demo(
    to: Annotated[Path, typer.Option("--output", "-o", help="Where the model and its picture go.")] = Path(
        "hornbeam-demo"
    ),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data directory, to look at it afterwards.")] = False,
) -> None:
    """Train a real model on this machine, through HTTP, and look at it."""
    # What the stack needs would double the time that `hornbeam --help` takes.
    from hornbeam.cli.demonstration import demonstrate  # noqa: PLC0415

    with reporting():
        job = demonstrate(output(), to, keep=keep)
    raise typer.Exit(code_of_job(job))
