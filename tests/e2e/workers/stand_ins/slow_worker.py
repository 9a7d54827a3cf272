"""A worker whose zygote does not get warm: `celery -A slow_worker worker -Q train`."""

from hornbeam.settings import Settings
from workers.app import make_worker

app = make_worker(Settings(), entry="slow_trainer")
