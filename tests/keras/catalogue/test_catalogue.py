"""Every component of the catalogue is put to use, on TensorFlow and on JAX.

Each backend has a process that practises with all components and one that loads the layers' models; both backends go at
once, and the tests read what they noted. `-k` practises with what it selects.
"""

import os
import re
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.catalog import ComponentKind
from tests.keras.catalogue.components import CATALOGUE, entries, label
from tests.keras.catalogue.limits import BACKENDS, FAILS, NO_GRADIENT
from tests.keras.catalogue.outcomes import PRACTISED, RELOADED, noted
from workers.training.backends import UNUSABLE

ROOT = Path(__file__).parents[3]
JAX = Path(sys.prefix) / "jax"
"""Where `make test` installs it: beside the environment, in which TensorFlow would import it."""
COMPONENTS = [label(entry) for entry in entries()]
WARNINGS = (
    "error",
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:Explicitly requested dtype:UserWarning",  # JAX has no 64 bits unless it is told to
)
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""What is compiled here runs once."""

pytestmark = pytest.mark.timeout(1200)


def _fails(component):
    return FAILS[component].backends if component in FAILS else ()


@pytest.fixture(scope="session")
def outcomes(request, tmp_path_factory):
    """What was noted, by backend and file."""
    wanted = _selected(request.session.items)
    with ThreadPoolExecutor(len(BACKENDS)) as pool:
        running = {
            backend: pool.submit(_practise, backend, tmp_path_factory.mktemp(backend), wanted) for backend in BACKENDS
        }
        return {backend: each.result() for backend, each in running.items()}


def _selected(items):
    """The components that tests were selected for."""
    parameters = [item.callspec.params for item in items if item.path == Path(__file__) and hasattr(item, "callspec")]
    return sorted({each["component"] for each in parameters if "component" in each})


def _practise(backend, directory, wanted):
    _run("practice", backend, directory, *wanted)
    _run("reload", backend, directory)
    ended = f"The process ended before: {(directory / 'log').read_text(errors='replace')[-2000:]}"
    return {file: defaultdict(lambda: ended, noted(directory / file)) for file in (PRACTISED, RELOADED)}


def _run(module, backend, directory, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": QUICK, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if backend == "jax":
        environment["PYTHONPATH"] = str(JAX)
    warnings = [f"-W{each}" for each in WARNINGS]
    command = [sys.executable, *warnings, "-m", f"tests.keras.catalogue.{module}", str(directory), *arguments]
    with (directory / "log").open("ab") as log:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, timeout=1100, check=False)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_does_what_it_is_for(outcomes, component, backend):
    failure = outcomes[backend][PRACTISED][component]

    if backend in _fails(component):
        assert failure is not None, f"{component} works on {backend} by now: take it out of FAILS."
        assert re.search(FAILS[component].says, failure), failure
    else:
        assert failure is None, failure


@pytest.mark.parametrize(
    ("backend", "component"),
    [
        (backend, component)
        for component in COMPONENTS
        for backend in BACKENDS
        if component.startswith("layer:") and backend not in _fails(component)
    ],
)
def test_a_saved_layer_gives_the_same_in_a_fresh_process(outcomes, component, backend):
    failure = outcomes[backend][RELOADED][component]

    assert failure is None, failure


@pytest.mark.parametrize("backend", BACKENDS)
def test_enough_of_keras_works(backend):
    """Of its 143 layers 125, and all losses, metrics and optimizers that the catalogue has."""
    failing = [component for component in FAILS if backend in _fails(component)]
    layers = [entry for entry in CATALOGUE.components(ComponentKind.LAYER) if entry.path.startswith("keras.")]

    assert len([entry for entry in layers if label(entry) not in failing]) >= 125
    assert {component.partition(":")[0] for component in failing}.isdisjoint({"loss", "metric", "optimizer"})


@pytest.mark.parametrize("backend", BACKENDS)
def test_who_names_what_fails_is_told(backend):
    failing = {component for component in FAILS if backend in _fails(component)}

    assert failing == {f"layer:{layer}" for layer in UNUSABLE.get(backend, {})}


def test_what_is_said_to_fail_is_in_the_catalogue():
    layers = {entry.name for entry in CATALOGUE.components(ComponentKind.LAYER)}

    assert set(FAILS) <= set(COMPONENTS)
    assert set(NO_GRADIENT) <= layers
