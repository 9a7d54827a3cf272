"""Who asks for a proof that is known, or that somebody is just asking for, does not ask the planner."""

import asyncio

from hornbeam.queue.base import Planner, ProofAnswer
from service.proofs import Proofs

SPEC = {"dataset": None, "model": {"layers": []}, "training": {"seed": 1}}
ANSWER = ProofAnswer(plan=None, findings=[])


class SlowPlanner(Planner):
    """Answers when it is told to."""

    def __init__(self, answer=ANSWER):
        self.asked, self.may_answer, self.answer = [], asyncio.Event(), answer

    async def prove(self, spec, *, timeout):
        self.asked.append(spec)
        await self.may_answer.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def spec(seed=1, units=1):
    return {**SPEC, "model": {"layers": [units]}, "training": {"seed": seed}}


async def asked_at_once(proofs, *specs):
    """A task for each spec, all of them waiting."""
    tasks = [asyncio.create_task(proofs.of(one)) for one in specs]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def test_one_question_for_all_who_ask_at_once():
    async def main():
        planner = SlowPlanner()
        proofs = Proofs(planner, timeout=5)
        tasks = await asked_at_once(proofs, spec(1), spec(2), spec(3), spec(1, units=2))
        planner.may_answer.set()
        assert await asyncio.gather(*tasks) == [ANSWER] * 4
        assert await proofs.of(spec(4)) == ANSWER
        assert planner.asked == [spec(1), spec(1, units=2)]

    asyncio.run(main())


def test_who_asked_first_may_go_away():
    async def main():
        planner = SlowPlanner()
        first, second = await asked_at_once(Proofs(planner, timeout=5), spec(), spec())
        first.cancel()
        await asyncio.wait([first])
        planner.may_answer.set()
        assert await second == ANSWER
        assert first.cancelled()
        assert len(planner.asked) == 1

    asyncio.run(main())


def test_a_question_that_failed_is_asked_again():
    async def main():
        planner = SlowPlanner(RuntimeError("broken"))
        planner.may_answer.set()
        proofs = Proofs(planner, timeout=5)
        found = await asyncio.gather(proofs.of(spec()), proofs.of(spec()), return_exceptions=True)
        assert [str(error) for error in found] == ["broken", "broken"]
        planner.answer = ANSWER
        assert await proofs.of(spec()) == ANSWER
        assert len(planner.asked) == 2

    asyncio.run(main())
