import keras
import pytest
from keras.src.saving import saving_lib

from workers.training.skipped_attributes import remember_skipped_attributes

pytestmark = pytest.mark.keras


def test_each_kind_is_looked_up_once_and_found_to_be_the_same(monkeypatch):
    looked_up = []
    look_up = saving_lib.get_attr_skipset
    monkeypatch.setattr(saving_lib, "get_attr_skipset", lambda kind: looked_up.append(kind) or look_up(kind))
    remember_skipped_attributes()

    assert saving_lib.get_attr_skipset("Layer") == look_up("Layer")
    assert saving_lib.get_attr_skipset("Layer") is saving_lib.get_attr_skipset("Layer")
    assert looked_up == ["Layer"]


def test_models_are_saved_and_loaded_as_before(monkeypatch, tmp_path):
    monkeypatch.setattr(saving_lib, "get_attr_skipset", saving_lib.get_attr_skipset)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "before.keras")

    remember_skipped_attributes()
    model.save(tmp_path / "after.keras")

    assert contents(tmp_path / "after.keras") == contents(tmp_path / "before.keras")


def contents(path):
    model = keras.models.load_model(path)
    return [(variable.path, variable.numpy().tolist()) for variable in (*model.variables, *model.optimizer.variables)]
