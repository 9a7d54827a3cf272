"""A planner: a Celery worker on the queue `plan`, whose children prove what a script says."""

import pytest

from tests.e2e.workers.installations import is_alive

pytestmark = pytest.mark.e2e

FINDING = {"pointer": "/loss", "code": "loss.mismatch", "message": "The loss does not fit."}


@pytest.fixture
def planner(installation, wait_until):
    worker = installation.start_ready_worker(queue="plan")
    wait_until(lambda: installation.prove({})[0] is not None)
    return worker


def test_a_spec_is_proven_and_all_findings_come_back(installation, planner):
    (answer,) = installation.prove({"findings": [FINDING, {**FINDING, "pointer": "/metrics"}]})
    assert [finding.pointer for finding in answer.findings] == ["/loss", "/metrics"]


def test_questions_asked_at_once_are_all_answered(installation, planner):
    answers = installation.prove(*[{"findings": [{**FINDING, "message": str(number)}]} for number in range(10)])
    assert [answer.findings[0].message for answer in answers] == [str(number) for number in range(10)]


def test_a_spec_that_crashes_its_child_gets_no_answer_and_the_next_one_does(installation, planner):
    assert installation.prove({"crash": True}, timeout=1) == [None]
    assert installation.prove({}) != [None]


def test_it_shows_up_as_a_planner_and_claims_no_jobs(installation, planner):
    (record,) = installation.store.list_workers()
    assert (record.role, record.slots) == ("plan", 1)
    job_id = installation.submit(["epochs", 1])
    installation.prove({})
    assert installation.store.get_job(job_id).attempt == 0


def test_it_leaves_no_process_behind(installation, planner, wait_until):
    descendants = planner.descendants()
    planner.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in descendants))
