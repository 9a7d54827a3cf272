"""Operators' components: found and imported; what is wrong with some is told, and takes no other along."""

import json
import sys
from pathlib import Path

import keras
import pytest

from hornbeam.components import loading
from hornbeam.components.loading import Deployment, deployments, load, loaded
from hornbeam.components.registry import forget_module, registrations
from schemas.catalog import ComponentKind
from tests.keras.trainings import make_spec
from workers.messages import PlanRequest
from workers.training.proof import prove

pytestmark = pytest.mark.keras

LOSS = '''
from typing import Annotated
import keras
from pydantic import Field
from hornbeam.components.registry import register_loss, register_layer

@register_loss
class {name}(keras.losses.Loss):
    """The tilted loss.

    Args:
        q: The quantile that is estimated.
    """

    def __init__(self, q: Annotated[float, Field(gt=0, lt=1)] = 0.5, reduction="sum_over_batch_size", name="quantile"):
        super().__init__(name=name, reduction=reduction)
        self.q = q

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return keras.ops.mean(keras.ops.maximum(self.q * error, (self.q - 1) * error), axis=-1)

    def get_config(self):
        return {{**super().get_config(), "q": self.q}}
'''
OPTIMIZER = '''
import keras
from hornbeam.components.registry import register_optimizer

@register_optimizer
class Eager(keras.optimizers.SGD):
    """Looks at numbers, which a graph does not have."""

    def __init__(self, learning_rate: float = 0.01, **kwargs):
        super().__init__(learning_rate=learning_rate, momentum=0.9, **kwargs)

    def build(self, variables):
        super().build(variables)
        self.noise = float(keras.random.normal(()))
'''
REFUSED = '''
@register_layer
class NoLayer:
    """Not what it says it is."""
'''


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """Whatever a test loads is gone after it."""
    known = set(sys.modules)
    yield
    for module in {known.module for known in registrations()} - known:
        forget_module(module)
    for module in set(sys.modules) - known:
        del sys.modules[module]
    monkeypatch.setattr(loading, "_loaded", None)


@pytest.fixture
def deploy(tmp_path):
    """Writes a file of an operator's, and says where."""

    def write(name: str, *texts: str) -> Path:
        file = tmp_path / f"{name}.py"
        file.write_text("".join(texts))
        return file

    return write


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package whose entry points name modules."""

    def write(name: str, modules: dict[str, str], points: list[str]) -> None:
        package = tmp_path / "site" / name
        package.mkdir(parents=True)
        for module, text in {"__init__": "", **modules}.items():
            (package / f"{module}.py").write_text(text)
        info = tmp_path / "site" / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{number} = {point}" for number, point in enumerate(points)]
        (info / "entry_points.txt").write_text("[hornbeam.components]\n" + "\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path / "site")

    return write


def proven(**parts):
    """The planner's answer about a small spec with these parts."""
    try:
        return prove(PlanRequest(spec=make_spec(**parts), max_parameters=10**9))
    finally:
        keras.utils.clear_session()


def test_a_file_is_loaded_into_the_catalogue(deploy):
    shipped = loaded().catalogue
    found = load(deployments([deploy("our_losses", LOSS.format(name="Tilted"))]))
    entry = found.catalogue.find(ComponentKind.LOSS, "tilted")
    assert (entry.name, entry.path, entry.summary) == ("hornbeam>Tilted", "our_losses:Tilted", "The tilted loss.")
    assert [parameter.name for parameter in entry.parameters] == ["q", "reduction"]
    assert (found.broken, loaded()) == ((), found)
    assert found.catalogue.digest != shipped.digest
    assert shipped.find(ComponentKind.LOSS, "tilted") is None
    assert len(found.catalogue.document().components) == len(shipped.document().components) + 1


def test_an_optimizer_that_wants_values_of_what_it_makes_is_proven_all_the_same(deploy):
    load(deployments([deploy("our_optimizers", OPTIMIZER)]))
    ours, theirs = (
        proven(optimizer={"type": name, **parts})
        for name, parts in (("hornbeam>Eager", {}), ("SGD", {"momentum": 0.9}))
    )
    assert (ours.findings, theirs.findings) == ([], [])
    assert ours.plan.estimates == theirs.plan.estimates


def test_what_is_loaded_is_known_to_keras(deploy):
    load(deployments([deploy("our_saved_losses", LOSS.format(name="SavedTilted"))]))
    loss = sys.modules["our_saved_losses"].SavedTilted(q=0.9)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(loss))))
    assert (type(again), again.q) == (type(loss), 0.9)


def test_a_class_that_is_refused_leaves_the_others_of_its_module(deploy):
    found = load(deployments([deploy("half_good", LOSS.format(name="HalfGood"), REFUSED)]))
    assert [entry.name for entry in found.entries] == ["hornbeam>HalfGood"]
    [broken] = found.broken
    assert broken.source == "half_good.py: NoLayer"
    assert "keras.layers.Layer" in broken.message


def test_a_module_that_breaks_loses_all_of_its_components(deploy):
    bad = deploy("breaks_late", LOSS.format(name="TooEarly"), "\nopen('/etc/the-secret-place')\n")
    good = deploy("stays_good", LOSS.format(name="StaysGood"))
    found = load(deployments([bad, good]))
    assert [entry.name for entry in found.entries] == ["hornbeam>StaysGood"]
    assert [broken.source for broken in found.broken] == ["breaks_late.py"]
    lines = bad.read_text().splitlines()
    assert found.broken[0].message == f"FileNotFoundError in line {len(lines)}."
    assert "breaks_late" not in sys.modules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit('I have had enough')", "SystemExit in line 2."),
        ("x = 1\nif x\n", "SyntaxError in line 2."),
        ("import nothing_of_this_name", "ModuleNotFoundError in line 1."),
        ("import json\n\njson.loads('{')", "JSONDecodeError in line 3."),
    ],
)
def test_what_broke_is_told_by_line_and_kind(deploy, text, message):
    [broken] = load(deployments([deploy("breaks_somehow", text)])).broken
    assert (broken.source, broken.message) == ("breaks_somehow.py", message)


@pytest.mark.parametrize("name", ["json", "keras", "not-a-name", "hornbeam"])
def test_a_file_with_the_name_of_a_module_is_left_out(deploy, name):
    [broken] = load(deployments([deploy(name, LOSS.format(name="Misnamed"))])).broken
    assert broken.source == f"{name}.py"
    assert "name" in broken.message
    assert "site-packages" not in broken.message


def test_a_file_that_is_not_there_is_reported_without_its_path(tmp_path):
    [broken] = load(deployments([tmp_path / "missing.py"])).broken
    assert (broken.source, broken.message) == ("missing.py", "There is no such file.")


def test_nobody_takes_a_name_that_keras_or_another_has(deploy):
    first = deploy("first_tilted", LOSS.format(name="Contested"))
    second = deploy("second_tilted", LOSS.format(name="Contested"), LOSS.format(name="Huber"))
    found = load(deployments([first, second]))
    assert [(entry.name, entry.path) for entry in found.entries] == [("hornbeam>Contested", "first_tilted:Contested")]
    assert [broken.source for broken in found.broken] == ["second_tilted.py: Contested", "second_tilted.py: Huber"]


def test_modules_of_installed_packages_are_found(install):
    modules = {"losses": LOSS.format(name="Installed"), "broken": "1 / 0", "unlisted": LOSS.format(name="Unlisted")}
    install("acme_components", modules, ["acme_components.losses", "acme_components.broken"])
    found = load(deployments())
    assert [entry.path for entry in found.entries] == ["acme_components.losses:Installed"]
    [broken] = found.broken
    assert (broken.source, broken.message) == ("acme_components.broken", "ZeroDivisionError in line 1.")


def test_what_a_broken_module_imported_before_stays_out_if_it_broke_too(install):
    modules = {
        "components": "from nested_components import fine, failing",
        "fine": LOSS.format(name="Fine"),
        "failing": LOSS.format(name="Failing") + "\n1 / 0\n",
    }
    install("nested_components", modules, ["nested_components.components"])
    found = load(deployments())
    assert [entry.name for entry in found.entries] == ["hornbeam>Fine"]
    assert found.broken[0].message == "ZeroDivisionError in line 1."


def test_a_module_that_fails_its_trial_is_not_imported(deploy):
    files = [deploy("on_trial", LOSS.format(name="OnTrial")), deploy("acquitted", LOSS.format(name="Acquitted"))]
    reasons = {"on_trial": "It crashes."}

    def trial(deployment: Deployment) -> str | None:
        return reasons.get(deployment.module)

    found = load(deployments(files), trial)
    assert [entry.name for entry in found.entries] == ["hornbeam>Acquitted"]
    assert [(broken.source, broken.message) for broken in found.broken] == [("on_trial.py", "It crashes.")]
    assert "on_trial" not in sys.modules
