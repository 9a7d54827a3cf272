"""The two Celery tasks. Each message is a wake-up that holds an id and decides nothing."""

from celery import Celery

from hornbeam.queue.base import PLAN_TASK, TRAIN_TASK
from workers.host import Host


def register_tasks(app: Celery, host: Host) -> None:
    """Have `app` run the tasks on `host`."""

    @app.task(name=TRAIN_TASK)  # type: ignore[untyped-decorator]
    def train(job_id: str) -> None:  # noqa: ARG001 - the database says which job is next
        """Run the first job in line."""
        host.train()

    @app.task(name=PLAN_TASK)  # type: ignore[untyped-decorator]
    def plan(request_id: str) -> None:
        """Prove the spec of this request."""
        host.plan(request_id)
