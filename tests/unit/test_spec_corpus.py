"""Bad specs, one in each file of `corpus/`, with the pointers and codes of all errors that they deserve."""

import json
from pathlib import Path
from typing import Any

import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body
from schemas.problems import Severity

CASES = sorted((Path(__file__).parent / "corpus").glob("*.json"))
CATALOGUE = load_catalogue()


def body_of(case: dict[str, Any]) -> bytes:
    if "repeat" in case:
        text, times = case["repeat"]
        return (text * times).encode()
    return case["raw"].encode() if "raw" in case else json.dumps(case["body"]).encode()


def resolves(document: Any, where: str) -> bool:
    for part in where.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(key)] if isinstance(document, list) else document[key]
        except (KeyError, IndexError, ValueError, TypeError):
            return False
    return True


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_bad_spec_gets_all_its_findings(path):
    case = json.loads(path.read_text(encoding="utf-8"))

    with pytest.raises(InvalidSpec) as raised:
        check_body(body_of(case), CATALOGUE, Settings())

    errors = [finding for finding in raised.value.findings if finding.severity is Severity.ERROR]
    assert sorted([finding.pointer, finding.code] for finding in errors) == sorted(case["findings"])
    for finding in raised.value.findings:
        assert finding.message.endswith(".")
        assert finding.message.isprintable()
        if "body" in case:
            assert resolves(case["body"], finding.pointer)


def test_there_is_a_corpus():
    assert len(CASES) >= 40
