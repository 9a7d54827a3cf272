"""From the bytes of a request to a job spec of the right shape.

Leaves everything that needs the catalogue to `hornbeam.specs.checking`, whose `examine_body` tells what both find.
"""

from typing import Any

from hornbeam.specs.findings import Report
from hornbeam.specs.shape import validate
from hornbeam.specs.strict_json import Limits, parse_json
from schemas.training import JobSpec


def parse(body: bytes, limits: Limits) -> tuple[dict[str, Any], Report]:
    """The document in `body`, and what JSON should not hold of it. Raises InvalidSpec where there is no JSON object."""
    document, blemishes = parse_json(body, limits)
    return document, Report(document, blemishes)


def shaped(document: dict[str, Any], report: Report) -> JobSpec | None:
    """The spec in a document, or None where it has not the shape of one, which is reported."""
    spec, findings = validate(document)
    report.add(findings)
    return spec
