"""Wake-ups through Celery, and questions to the planner, on a real Valkey."""

import asyncio
import json
import os
import signal
import threading
import time

import pytest
from redis import Redis

from hornbeam.queue.base import PLAN_QUEUE, TRAIN_QUEUE, ProofAnswer
from hornbeam.queue.celery import CeleryPlanner, CeleryQueue, broker_url, make_celery
from hornbeam.queue.embedded import EmbeddedServer
from hornbeam.queue.proofs import ProofDesk
from hornbeam.settings import Settings
from hornbeam.testing.queues import QueueSuite
from schemas.problems import Finding

ANSWER = ProofAnswer(plan=None, findings=[Finding(pointer="/loss", code="loss.mismatch", message="No.")])


@pytest.fixture
def settings(redis_server, tmp_path):
    return Settings(data_dir=tmp_path, redis_url=redis_server.url)


class TestCeleryQueue(QueueSuite):
    @pytest.fixture
    def queue(self, redis_server, settings):
        self.server: EmbeddedServer = redis_server
        queue = CeleryQueue(make_celery(settings))
        yield queue
        queue.close()

    def waiting(self) -> int:
        with Redis.from_url(self.server.url) as client:
            return client.llen(f"hornbeam:{TRAIN_QUEUE}")

    def break_down(self) -> None:
        self.server.stop()

    def hang(self) -> None:
        os.kill(self.server.pid, signal.SIGSTOP)

    def recover(self) -> None:
        self.server.start()

    def test_a_message_holds_the_id_and_nothing_else(self, queue):
        queue.send("job_1")
        with Redis.from_url(self.server.url) as client:
            message = json.loads(client.lpop(f"hornbeam:{TRAIN_QUEUE}"))
        assert message["headers"]["argsrepr"] == "['job_1']"
        assert message["headers"]["kwargsrepr"] == "{}"

    def test_threads_may_send_at_once(self, queue):
        threads = [threading.Thread(target=lambda: [queue.send("job_1") for _ in range(20)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.waiting() == 160


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("rediss://user:secret@host/1", "rediss://user:secret@host/1"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
    ],
)
def test_urls_are_put_in_kombus_words(url, expected):
    assert broker_url(url) == expected


class PlannerThread(threading.Thread):
    """A planner's side without Celery: takes the next message, and answers it."""

    def __init__(self, settings, answer):
        super().__init__()
        self.desk, self.answer, self.url = ProofDesk(settings), answer, settings.redis_url.get_secret_value()
        self.specs = []

    def run(self):
        with Redis.from_url(self.url) as client:
            _, message = client.blpop([f"hornbeam:{PLAN_QUEUE}"], timeout=10)
        request_id = json.loads(message)["headers"]["argsrepr"].strip("[]'")
        self.specs.append(self.desk.take(request_id))
        self.specs.append(self.desk.take(request_id))
        self.answer(self.desk, request_id)


def prove(settings, spec, timeout):
    async def main():
        planner = CeleryPlanner(make_celery(settings), settings)
        try:
            return await planner.prove(spec, timeout=timeout)
        finally:
            await planner.aclose()

    return asyncio.run(main())


def test_the_planner_gets_the_spec_once_and_its_answer_arrives(settings):
    ProofDesk(settings).open_for_questions()
    planner = PlannerThread(settings, lambda desk, request_id: desk.answer(request_id, ANSWER))
    planner.start()
    assert prove(settings, {"loss": "mse"}, 10) == ANSWER
    planner.join()
    assert planner.specs == [{"loss": "mse"}, None]


def test_without_a_planner_there_is_no_answer_and_no_waiting(settings):
    began = time.monotonic()
    assert prove(settings, {}, 60) is None
    assert time.monotonic() - began < 30


def test_a_planner_that_does_not_answer_costs_the_timeout_and_no_more(settings):
    ProofDesk(settings).open_for_questions()
    began = time.monotonic()
    assert prove(settings, {}, 0.5) is None
    assert 0.5 <= time.monotonic() - began < 30


def test_a_question_that_nobody_waits_for_any_more_is_not_there(settings, redis_server, wait_until):
    ProofDesk(settings).open_for_questions()
    assert prove(settings, {}, 0.2) is None
    with Redis.from_url(redis_server.url) as client:
        wait_until(lambda: not client.keys("hornbeam:proof:*"))


def test_an_answer_of_another_version_is_no_answer(settings):
    ProofDesk(settings).open_for_questions()

    def answer(desk, request_id):
        with Redis.from_url(settings.redis_url.get_secret_value()) as client:
            client.rpush(f"hornbeam:proof:{request_id}:answer", b'{"verdict": "fine"}')

    planner = PlannerThread(settings, answer)
    planner.start()
    assert prove(settings, {}, 10) is None
    planner.join()


def test_without_a_broker_there_is_no_answer(settings, redis_server):
    redis_server.stop()
    began = time.monotonic()
    assert prove(settings, {}, 60) is None
    assert time.monotonic() - began < 30
