"""`catalog`: what a spec may name, and with which parameters."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hornbeam.cli import tables
from hornbeam.cli.session import AsJson, Server, session
from schemas.catalog import ComponentEntry, ComponentKind, Parameter


def catalog(
    kind: Annotated[ComponentKind | None, typer.Argument(help="Only components of this kind.")] = None,
    name: Annotated[str | None, typer.Argument(help="One component, with its parameters.")] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List the components that a spec may name, or show one."""
    with session(server, as_json=as_json) as current:
        if kind and name:
            entry = current.client.component(kind, name)
            if as_json:
                current.print_json(entry)
            else:
                _print_entry(current.out, entry)
            return
        found = current.client.components(kind)
        if as_json:
            current.print_json(found)
        else:
            current.out.print(tables.component_table(found.components))


def _print_entry(console: Console, entry: ComponentEntry) -> None:
    also = f"  also {', '.join(entry.aliases)}" if entry.aliases else ""
    console.print(Text.assemble((entry.name, "bold"), f"  {entry.kind}", (also, "dim")))
    console.print(Text(entry.summary))
    if not entry.parameters:
        return
    grid = Table.grid(padding=(0, 2))
    for parameter in entry.parameters:
        grid.add_row(Text(f"  {parameter.name}", style="cyan"), Text(_takes(parameter)), Text(parameter.description))
    console.print("", grid)


def _takes(parameter: Parameter) -> str:
    if parameter.required:
        return f"{_types(parameter)}, required"
    return f"{_types(parameter)} = {json.dumps(parameter.default)}"


def _types(parameter: Parameter) -> str:
    schema = parameter.json_schema
    options = schema.get("anyOf", [schema])
    plain = [str(option.get("type") or "|".join(map(str, option.get("enum", [])))) for option in options]
    return " | ".join(dict.fromkeys([name for name in plain if name] + [str(kind) for kind in parameter.accepts]))
