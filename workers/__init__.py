"""The training side: Celery workers that supervise trainers, and the planner. Never imports `service`."""
