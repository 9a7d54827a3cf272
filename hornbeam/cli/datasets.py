"""`datasets add`, `list`, `show`, `rows`, `download`, `delete`: the data that jobs train on."""

import json
import re
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from hornbeam.cli import dataset_tables, wording
from hornbeam.cli.findings import print_findings
from hornbeam.cli.session import AsJson, Server, Session, session
from schemas.stored_datasets import Dataset, ReadingOptions

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""Of any scheme: which there are, the service knows."""

DatasetId = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's id.", show_default=False)]

datasets = typer.Typer(help="Bring data, see what it holds.", no_args_is_help=True)


@datasets.command()
def add(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL",
            help="CSV, JSON Lines, Parquet, NPY, a ZIP of images, ...; or https:// or s3://, for the service to fetch.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What it is called; its ending tells the format.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="How it is read: format, header, delimiter; missing and record_features, as JSON."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=KIND", help="What a column means; may be repeated.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A pair that it carries; may be repeated.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Of what lies behind the URL: what differs is refused.")
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Bring a file as a dataset, or have the service fetch it, and show its columns."""
    is_elsewhere = _URL.match(file) is not None
    if sha256 is not None and not is_elsewhere:
        raise typer.BadParameter("A file that is sent is checked by itself.", param_hint="--sha256")
    options = _options(option or [], kind or [])
    pairs = dict(_pair(text, "--metadata") for text in metadata or [])
    with session(server, as_json=as_json) as current:
        ours = current.client.datasets
        if is_elsewhere:
            dataset = ours.create_from(file, name=name, options=options, metadata=pairs, sha256=sha256)
        else:
            dataset = ours.create(file, name=name, options=options, metadata=pairs)
        _print(current, dataset)


@datasets.command("list")
def list_datasets(
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only those that carry this pair; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List datasets, the newest first."""
    pairs = dict(_pair(text, "--metadata") for text in metadata or [])
    with session(server, as_json=as_json) as current:
        found = list(islice(current.client.datasets.list(metadata=pairs), limit))
        if as_json:
            current.print_json(*found)
        elif found:
            current.out.print(dataset_tables.dataset_table(found))
        else:
            current.errors.print("No datasets yet. Try `hornbeam datasets add FILE`.")


@datasets.command()
def show(dataset_id: DatasetId, server: Server = None, as_json: AsJson = False) -> None:
    """Show a dataset: its columns, and what deserves a look."""
    with session(server, as_json=as_json) as current:
        _print(current, current.client.datasets.get(dataset_id))


@datasets.command()
def rows(
    dataset_id: DatasetId,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many to show.")] = 10,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show the first rows of a dataset."""
    with session(server, as_json=as_json) as current:
        page = current.client.datasets.rows(dataset_id, limit=limit)
        if as_json:
            current.print_json(page)
        else:
            current.out.print(dataset_tables.row_table(page))


@datasets.command()
def download(
    dataset_id: DatasetId,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file, or a directory; here where it is left out.")
    ] = None,
    server: Server = None,
) -> None:
    """Download the file as it was sent. A download that broke off goes on where it stopped."""
    with session(server) as current:
        target = Path() if to is None else to
        if target.is_dir():
            name = Path(current.client.datasets.get(dataset_id).name).name
            # What somebody else called it must not lead out of the directory.
            target /= dataset_id if name in {"", ".."} else name
        saved = current.client.datasets.download(dataset_id, target)
        current.out.print(f"{wording.visible(str(saved))}  {wording.size(saved.stat().st_size)}", soft_wrap=True)


@datasets.command()
def delete(dataset_id: DatasetId, server: Server = None) -> None:
    """Delete a dataset that no job uses any more."""
    with session(server) as current:
        current.client.datasets.delete(dataset_id)
        current.out.print(f"{dataset_id} deleted")


def _print(current: Session, dataset: Dataset) -> None:
    if current.as_json:
        current.print_json(dataset)
        return
    current.out.print(dataset_tables.headline(dataset), soft_wrap=True)
    current.out.print(dataset_tables.column_table(dataset))
    if dataset.findings:
        current.out.print()
        print_findings(current.out, dataset.findings)


def _options(options: list[str], kinds: list[str]) -> ReadingOptions:
    given = {key: _value(text) for key, text in (_pair(option, "--option") for option in options)}
    if kinds:
        given["kinds"] = dict(_pair(text, "--kind") for text in kinds)
    try:
        return ReadingOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        hint = "--kind" if first["loc"][0] == "kinds" else "--option"
        raise typer.BadParameter(f"{first['loc'][-1]}: {first['msg']}.", param_hint=hint) from None


def _value(text: str) -> Any:
    """A list, an object, true and false are JSON; anything else is a text: `1` may be a delimiter, and `[` too."""
    is_json = text in ("true", "false") or (len(text) > 1 and text.startswith(("[", "{")))
    if not is_json:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not JSON: {error}.", param_hint="--option") from None


def _pair(text: str, hint: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not {hint.upper().strip('-')}=VALUE.", param_hint=hint)
    return key, value
