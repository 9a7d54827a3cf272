import sys
from subprocess import run

import numpy as np
import pytest
import sklearn.datasets

from hornbeam.datasets.builtin import BUILTIN
from schemas.datasets import BuiltinDataset


def test_every_dataset_that_a_spec_may_name_is_known():
    assert set(BUILTIN) == set(BuiltinDataset)


@pytest.mark.parametrize("name", list(BuiltinDataset))
def test_facts_match_scikit_learn(name):
    facts, bunch = BUILTIN[name], getattr(sklearn.datasets, f"load_{name.value}")()

    assert bunch.data.shape == (facts.rows, *facts.feature_shape)
    assert tuple(map(str, bunch.feature_names)) == facts.feature_names
    if facts.task == "classification":
        assert tuple(map(str, bunch.target_names)) == facts.classes
        assert set(np.unique(bunch.target)) == set(range(len(facts.classes)))
    else:
        assert facts.classes is None
        assert len(np.unique(bunch.target)) > 20


def test_facts_need_no_scikit_learn():
    script = "import sys, hornbeam.datasets.builtin; assert not {'sklearn', 'numpy'} & set(sys.modules)"

    assert run([sys.executable, "-c", script], check=False).returncode == 0
