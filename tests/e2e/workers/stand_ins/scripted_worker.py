"""A worker whose trainers follow a script: `celery -A scripted_worker worker -Q train`."""

from hornbeam.settings import Settings
from workers.app import make_worker

app = make_worker(Settings(), entry="scripted_trainer")
