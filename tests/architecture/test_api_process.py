"""The API process starts and answers without ever loading what trains."""

import json
import subprocess
import sys

from tests.architecture.sources import ROOT

HEAVY = ["keras", "tensorflow", "jax", "numpy", "pyarrow", "PIL", "sklearn", "matplotlib"]

SCRIPT = """
import asyncio, json, sys
import httpx
from service.main import create_app

async def ask(app):
    async with app.router.lifespan_context(app) as state:
        async def with_state(scope, receive, send):
            await app({**scope, "state": dict(state)}, receive, send)
        transport = httpx.ASGITransport(app=with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            paths = ("/healthz", "/v1/jobs", "/v1/datasets", "/v1/components", "/v1/schemas/job.json", "/openapi.json")
            brought = await client.put("/v1/datasets/x.csv", content=b"a,b\\n1,2\\n3,4\\n", timeout=60)
            return {path: (await client.get(path)).status_code for path in (*paths, brought.headers["location"])}

statuses = asyncio.run(ask(create_app()))
print(json.dumps({"statuses": statuses, "modules": sorted(sys.modules)}))
"""


def test_it_answers_and_has_loaded_nothing_that_trains(tmp_path):
    environment = {"HORNBEAM_DATA_DIR": str(tmp_path), "HORNBEAM_REDIS_URL": f"unix://{tmp_path}/none.sock", "PATH": ""}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    seen = json.loads(ran.stdout)
    assert set(seen["statuses"].values()) == {200}, seen["statuses"]
    assert set(HEAVY) & set(seen["modules"]) == set()
    assert "fastapi" in seen["modules"]
