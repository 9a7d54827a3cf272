"""How findings look: with the line they are about, plain where there is no terminal."""

import io
import json

import pytest
from rich.console import Console

from hornbeam.cli.exits import ExitCode, code_of_error
from hornbeam.cli.findings import error_json, print_error
from hornbeam.cli.specfiles import UnreadableSpec, parse_spec
from hornbeam.errors import InvalidSpec, JobNotFound, JobNotOver, PortInUse, ServiceUnreachable, StoreUnavailable
from schemas.problems import Finding

SPEC = "model:\n  layers:\n    - {type: Dens, unit: 10}\n"


def _printed(error, spec=None) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_error(console, error, spec)
    return console.file.getvalue()


def test_a_finding_shows_its_line_and_underlines_the_value():
    finding = Finding(
        pointer="/model/layers/0/type", code="component.unknown", message="No layer `Dens`.", suggestion="Dense?"
    )
    assert _printed(InvalidSpec([finding]), parse_spec(SPEC, "x.yaml")) == (
        "error[component.unknown]: No layer `Dens`.\n"
        "  --> x.yaml:3:14  /model/layers/0/type\n"
        " 3 |     - {type: Dens, unit: 10}\n"
        "   |              ^^^^\n"
        "  help: Dense?\n"
    )


def test_an_unknown_parameter_is_underlined_itself():
    finding = Finding(pointer="/model/layers/0/unit", code="parameter.unknown", message="No such parameter.")
    lines = _printed(InvalidSpec([finding]), parse_spec(SPEC, "x.yaml")).splitlines()
    assert lines[1].startswith("  --> x.yaml:3:20 ")
    assert lines[3] == "   |                    ^^^^"


def test_without_a_file_the_pointer_stands_there():
    finding = Finding(pointer="/loss", code="field.missing", message="A loss is needed.")
    assert "--> /loss\n" in _printed(InvalidSpec([finding]))


def test_a_file_that_cannot_be_read_shows_where():
    with pytest.raises(UnreadableSpec) as caught:
        parse_spec("a: 1\na: 2", "x.yaml")
    assert _printed(caught.value).splitlines()[:2] == [
        "error[spec.unreadable]: The key `a` stands here twice.",
        "  --> x.yaml:2:1",
    ]


def test_an_error_for_a_script_is_one_line_of_json():
    finding = Finding(pointer="/loss", code="field.missing", message="A loss is needed.")
    said = json.loads(error_json(InvalidSpec([finding], "The spec is not valid.")))
    assert said["code"] == "spec.invalid"
    assert said["errors"][0]["pointer"] == "/loss"


def test_each_kind_of_error_has_its_exit_code():
    errors = [InvalidSpec([]), JobNotFound(), ServiceUnreachable(), StoreUnavailable(), JobNotOver(), PortInUse()]
    assert [code_of_error(error) for error in errors] == [
        ExitCode.INVALID,
        ExitCode.NOT_FOUND,
        ExitCode.UNREACHABLE,
        ExitCode.UNREACHABLE,
        ExitCode.CONFLICT,
        ExitCode.INSTALLATION,
    ]
