import subprocess
import sys

import keras
import pytest

from hornbeam.components.imputation import Imputation

pytestmark = pytest.mark.keras

LOAD = "import sys; from hornbeam.saved import load_model; print(load_model(sys.argv[1]).output_shape)"


def test_a_model_with_components_loads_in_a_process_that_knows_none(tmp_path):
    keras.Sequential([keras.Input((3,)), Imputation(strategy="mean")]).save(tmp_path / "model.keras")

    command = [sys.executable, "-c", LOAD, str(tmp_path / "model.keras")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=False)

    assert loaded.stdout.strip() == "(None, 3)", loaded.stderr
