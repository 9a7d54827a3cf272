"""What the OpenAPI document promises is what the running service does: schemathesis makes up the requests."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.main import create_app
from tests.e2e.stacks import RunningStack

pytestmark = pytest.mark.e2e


schema = schemathesis.openapi.from_dict(create_app().openapi())


@schema.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_request_gets_what_the_document_does_not_say(case, stack: RunningStack):
    case.call_and_validate(
        base_url=stack.url,
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
        timeout=30,
    )
