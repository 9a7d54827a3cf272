"""What is written is fresh, short where it should be, and leads somewhere."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hornbeam.components.catalog import load_catalogue
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body
from service.problems import STATUS_OF
from tests.architecture.sources import ROOT, files, modules
from tools.reference import codes

README_LINES = 150
PAGES = tuple(file for file in files() if file.suffix == ".md")

EXPLAINED = {
    *codes.HTTP,
    *(code for _, code in codes.SERVICE),
    *(error.code for error in STATUS_OF),
    *codes.FINDINGS,
    *codes.JOB_ERRORS,
}

# Files, modules, tasks and events look like codes.
NOT_CODES = r"\.(keras|json|txt|png|npz|csv|db|log|sock|lock|id|yaml)$|^(hornbeam|keras|workers|job|http)\.(?!not_)"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_reference_pages_are_fresh():
    command = [sys.executable, "-m", "tools.reference", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    broken = [target for target in links_in(page) if not leads_somewhere(page, target)]
    assert broken == []


def test_every_page_can_be_found_from_the_index():
    index = (ROOT / "docs/index.md").resolve()
    found, new = {index}, {index}
    while new:
        new = {target for page in new for target in pages_linked_from(page)} - found
        found |= new
    lost = {page for page in PAGES if (ROOT / "docs") in page.parents} - found
    assert {page.relative_to(ROOT).as_posix() for page in lost} == set()


def test_the_changelog_says_what_is_new():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert re.match(r"Unreleased|0\.1\.0", headings[0])


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_is_numbered_dated_and_one_page(page):
    text = page.read_text()
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+", page.stem)
    assert re.search(r"^2\d{3}-\d{2}-\d{2}$", text, flags=re.MULTILINE)
    assert len(text.splitlines()) <= 60


def test_the_specs_in_the_reference_are_valid(tmp_path):
    page = (ROOT / "docs/reference/spec.md").read_text()
    examples = re.findall(r"```yaml\n(.+?)```", page, flags=re.DOTALL)
    assert examples
    for example in examples:
        body = json.dumps(yaml.safe_load(example)).encode()
        checked = check_body(body, load_catalogue(), Settings(data_dir=tmp_path))
        assert checked.findings == ()


def test_every_code_is_explained():
    assert codes_in("hornbeam/specs", "service", "workers") - EXPLAINED == set()


def test_no_code_is_explained_that_nothing_uses():
    source = "\n".join(module.text for module in modules("hornbeam", "service", "workers"))
    assert {code for code in EXPLAINED if code not in source and not is_composed(code, source)} == set()


def links_in(page: Path) -> list[str]:
    """The targets of links to this repository."""
    prose = re.sub(r"```.+?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target]


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    return file.exists() and (not anchor or anchor in anchors_of(file))


def anchors_of(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def pages_linked_from(page: Path) -> set[Path]:
    targets = {(page.parent / target.partition("#")[0]).resolve() for target in links_in(page)}
    inside = {file for target in targets if target.is_dir() for file in target.glob("*.md")}
    return {target for target in targets if target.suffix == ".md" and target.exists()} | inside


def codes_in(*folders: str) -> set[str]:
    """Every string of these folders that looks like a code."""
    strings = {
        node.value
        for module in modules("hornbeam", "service", "workers")
        if module.name.startswith(folders)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in strings if re.fullmatch(r"[a-z_]+\.[a-z_]+", text) and not re.search(NOT_CODES, text)}


def is_composed(code: str, source: str) -> bool:
    """Whether the code is put together of two parts, as `infrastructure.` and the arguments of `lost` are."""
    head, _, tail = code.partition(".")
    return (f'"{head}.{{' in source and f'"{tail}"' in source) or f'}}.{tail}"' in source
