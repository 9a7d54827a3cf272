"""The wire contract: what goes over HTTP, as pydantic models.

Pydantic and the standard library only. Nothing here knows about storage, Celery or Keras, so that a
client, a worker and the API can all import it at no cost.
"""
