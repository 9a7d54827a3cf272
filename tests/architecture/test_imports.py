"""Imports point one way, stand at the top, and bring nothing heavy along."""

import ast
import json
import re
import subprocess
import sys

from tests.architecture.exceptions import FUNCTION_LEVEL_IMPORTS
from tests.architecture.sources import PACKAGES, ROOT, Module, modules

LAZY_BY_DESIGN = frozenset({"keras", "tensorflow", "jax", "numpy", "sklearn", "matplotlib", "tensorboard", "pynvml"})
"""May be imported inside a function anywhere: most processes must not load them, and workers only late."""

TRAINING = frozenset({"keras", "tensorflow", "jax", "numpy", "sklearn", "matplotlib", "tensorboard"})
SERVER = frozenset({"fastapi", "starlette", "uvicorn", "celery", "kombu", "redis", "sqlalchemy", "alembic", "fsspec"})

RUN_WITH_KERAS = frozenset({"hornbeam.components.introspection", "hornbeam.cli.evaluation", "hornbeam.saved"})
"""What nothing else imports: the catalogue's generator, the demo's look at its model, and what loads saved models."""

WORKERS_ONLY = frozenset({"hornbeam.components.outputs", "hornbeam.components.registry"})
"""What the zygote loads: the shared registry, and the modules that import it, which are components."""


READS_FILES = "hornbeam.ingest."
"""A program of its own, which holds NumPy and Arrow; others import no more of it than what it is asked and answers."""
ASKED_OF_IT = "hornbeam.ingest.protocol"


def test_directions():
    # In a process of its own: import-linter's logging set-up silences every logger that there is.
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    linted = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_they_stand_at_the_top():
    inside = {module.name: imported_inside(module) for module in modules(*PACKAGES)}
    assert {name: imports for name, imports in inside.items() if imports} == FUNCTION_LEVEL_IMPORTS


def test_the_core_and_the_contract_load_nothing_that_trains():
    names = [module.dotted for module in modules("schemas", "hornbeam")]
    heavy = RUN_WITH_KERAS | WORKERS_ONLY | components()
    names = [name for name in names if not name.startswith(READS_FILES) or name == ASKED_OF_IT]
    names = [name for name in names if name not in heavy and "testing" not in name and not is_a_script(name)]
    assert loaded_by(*names) & TRAINING == set()


def test_others_import_no_reader_of_files():
    outside = [module for module in modules(*PACKAGES) if not module.dotted.startswith("hornbeam.ingest")]
    assert {
        module.name for module in outside if re.search(r"hornbeam\.ingest(?!\.protocol)\S* import", module.text)
    } == set()


def test_the_client_loads_no_server():
    assert loaded_by("hornbeam.client") & (TRAINING | SERVER) == set()


def test_the_contract_loads_pydantic_alone():
    names = [module.dotted for module in modules("schemas")]
    assert loaded_by(*names) & (TRAINING | SERVER | {"hornbeam", "httpx", "yaml"}) == set()


def components() -> frozenset[str]:
    """The modules that register components."""
    return frozenset(module.dotted for module in modules("hornbeam") if "components.registry import" in module.text)


def imported_inside(module: Module) -> frozenset[str]:
    """What the module's functions import, less what is lazy by design."""
    names = set()
    for _, function in module.functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or ".")
    return frozenset(name for name in names if name.partition(".")[0] not in LAZY_BY_DESIGN)


def is_a_script(name: str) -> bool:
    """Alembic's, which it runs with a context of its own."""
    return name.endswith("migrations.env") or ".migrations.versions." in name


def loaded_by(*names: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after importing these modules."""
    program = (
        "import importlib, json, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", program, *names], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))
