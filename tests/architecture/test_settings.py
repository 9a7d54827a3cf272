"""A variable that a page or a file names is one that the service reads."""

import re

from hornbeam.settings import Settings
from tests.architecture.sources import ROOT, files

KNOWN = {f"HORNBEAM_{name.upper()}" for name in Settings.model_fields}
OF_THE_COMMAND_LINE = {"HORNBEAM_SERVER"}


def test_only_variables_that_exist_are_named():
    named = {
        file.relative_to(ROOT).as_posix(): variables_in(file.read_text()) - KNOWN - OF_THE_COMMAND_LINE
        for file in files()
        if file.suffix in (".md", ".yml", ".yaml") or file.name in ("Dockerfile", "Makefile", "run")
    }
    assert {"docker-compose.yml", "Dockerfile"} <= named.keys()
    assert {name: unknown for name, unknown in named.items() if unknown} == {}


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")] == []


def variables_in(text: str) -> set[str]:
    return set(re.findall(r"\bHORNBEAM_[A-Z0-9_]*[A-Z0-9]\b", text))
