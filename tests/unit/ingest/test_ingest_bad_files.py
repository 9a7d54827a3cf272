"""What cannot be a dataset gets one clear finding, whatever it tries."""

import pytest

from schemas.problems import Severity
from tests.unit.ingest.bad_files import BAD_FILES, BadFile


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.id or bad.code)
def test_a_bad_file_gets_its_finding(read, bad: BadFile):
    told = read(bad.name, bad.data, bad.limits, **bad.options)
    assert told.profile is None
    assert [(finding.code, finding.severity) for finding in told.findings] == [(bad.code, Severity.ERROR)]
    message = told.findings[0].message
    assert all(words in message for words in bad.says), message
    assert message.endswith(".")
    assert len(message) < 600


def test_each_case_has_a_name_of_its_own():
    names = [bad.id or bad.code for bad in BAD_FILES]
    assert len(names) == len(set(names))
