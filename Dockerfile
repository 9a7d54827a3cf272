# syntax=docker/dockerfile:1
#
# Three images: `api` (no Keras in it), `worker` (trains on the CPU, and proves specs), `worker-gpu` (the same with CUDA).
#
#     docker build --target api --tag hornbeam-api .
#
# Each is made of layers that change ever more often: the system, the locked dependencies, our own wheel. A change to
# the sources rebuilds the last one only. Needs BuildKit, which is Docker's default builder.

# ---------------------------------------------------------------------------------------------- what all images share
FROM python:3.12-slim-trixie AS base

# `tini` reaps what a killed worker leaves behind. No version: Debian keeps only the newest of a release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 hornbeam \
    && useradd --uid 10001 --gid hornbeam --home-dir /var/lib/hornbeam --no-create-home --shell /usr/sbin/nologin hornbeam \
    && install --directory --owner=hornbeam --group=hornbeam --mode=0750 /var/lib/hornbeam

ENV PATH=/opt/hornbeam/bin:$PATH \
    HOME=/var/lib/hornbeam \
    HORNBEAM_DATA_DIR=/var/lib/hornbeam \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

WORKDIR /var/lib/hornbeam

# ------------------------------------------------------------------------------------------------- our own wheel
FROM python:3.12-slim-trixie AS wheel

WORKDIR /src
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/build.txt,target=/requirements.txt \
    pip install --require-hashes --requirement /requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY hornbeam hornbeam
COPY service service
COPY workers workers
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# ------------------------------------------------------------------------------------------- locked dependencies
FROM python:3.12-slim-trixie AS venv

RUN python -m venv /opt/hornbeam
ENV PATH=/opt/hornbeam/bin:$PATH

FROM venv AS api-dependencies

RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/api.txt,target=/requirements.txt \
    pip install --require-hashes --requirement /requirements.txt

FROM venv AS worker-dependencies

RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/worker.txt,target=/requirements.txt \
    pip install --require-hashes --requirement /requirements.txt

FROM venv AS worker-gpu-dependencies

RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/worker-gpu.txt,target=/requirements.txt \
    pip install --require-hashes --requirement /requirements.txt

# ------------------------------------------------------------------------------------------------------ worker
FROM base AS worker-base

# Celery ends what it has begun: running jobs save a checkpoint, within HORNBEAM_DRAIN_SECONDS.
STOPSIGNAL SIGTERM
# The Celery consumer itself has to answer, over the broker. That costs 1.1 s of CPU and 84 MB, hence the long interval.
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s --start-interval=10s --retries=3 \
    CMD ["sh", "-c", "exec celery -A workers.main inspect ping --destination celery@$HOSTNAME --timeout 5"]
# `-s`: reaps too where the container runtime has put an init of its own before it.
ENTRYPOINT ["tini", "-s", "--"]
CMD ["celery", "-A", "workers.main", "worker", "-Q", "train", "--without-gossip", "--without-mingle"]

FROM worker-base AS worker

COPY --from=worker-dependencies /opt/hornbeam /opt/hornbeam
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps /wheels/*.whl
USER 10001:10001

# The libraries of CUDA come from wheels; the driver comes from the host, through the NVIDIA container toolkit.
FROM worker-base AS worker-gpu

ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=worker-gpu-dependencies /opt/hornbeam /opt/hornbeam
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps /wheels/*.whl
USER 10001:10001

# ------------------------------------------------------------------------- api: last, so a build without target is this
FROM base AS api

COPY --from=api-dependencies /opt/hornbeam /opt/hornbeam
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps /wheels/*.whl

USER 10001:10001
EXPOSE 8000
# uvicorn stops listening and ends what is under way, streams of events within ten seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-S", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["tini", "-s", "--"]
CMD ["uvicorn", "--factory", "service.main:create_app", "--host", "0.0.0.0", "--port", "8000", "--timeout-graceful-shutdown", "10"]
