"""The API process: FastAPI over the store, the queue and the artifacts. Never imports Keras or `workers`."""
