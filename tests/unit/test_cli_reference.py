"""The reference page names every command, option and exit code."""

from pathlib import Path

import typer.main
from typer.testing import CliRunner

import hornbeam
from hornbeam.cli.exits import ExitCode
from hornbeam.cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text("utf-8")


def test_every_exit_code_is_explained():
    assert [code for code in ExitCode if f"\n| {code.value} | " not in PAGE] == []


def test_every_command_and_option_is_there():
    for name, command in every_command(typer.main.get_command(app)):
        assert f"| `{name}" in PAGE
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert [option for option in options if option not in PAGE and option != "--help"] == [], name


def every_command(group, prefix=""):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, f"{name} ")
        else:
            yield prefix + name, command


def test_the_version_is_printed():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"hornbeam {hornbeam.__version__}\n"
