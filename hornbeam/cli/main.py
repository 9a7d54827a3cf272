"""The command line, put together."""

import os
from typing import Annotated

import typer

import hornbeam
from hornbeam.cli.catalog import catalog
from hornbeam.cli.compare import compare
from hornbeam.cli.datasets import datasets
from hornbeam.cli.demo import demo
from hornbeam.cli.download import download
from hornbeam.cli.evaluate import evaluate
from hornbeam.cli.jobs import cancel, delete, list_jobs, logs, show
from hornbeam.cli.submit import submit, watch
from hornbeam.cli.up import up

app = typer.Typer(
    name="hornbeam",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_HERE = "On this machine"
_JOBS = "Jobs, over HTTP"
app.command(rich_help_panel=_HERE)(up)
app.command(rich_help_panel=_HERE)(demo)
app.command(rich_help_panel=_JOBS)(submit)
app.command("list", rich_help_panel=_JOBS)(list_jobs)
for _command in (show, watch, logs, compare, evaluate, cancel, download, delete, catalog):
    app.command(rich_help_panel=_JOBS)(_command)
app.add_typer(datasets, name="datasets", rich_help_panel="Datasets, over HTTP")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hornbeam {hornbeam.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # noqa: ARG001 - the callback does it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Print without colours, as NO_COLOR=1 does.")] = False,
) -> None:
    """Train Keras models over HTTP: post a spec, watch it learn, download the model."""
    if no_color:
        os.environ["NO_COLOR"] = "1"


def run() -> None:
    """The entry point of `hornbeam`."""
    app()
