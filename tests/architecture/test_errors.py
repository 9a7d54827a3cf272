"""The tree of exceptions: each leaf explains itself and has a code of its own."""

import inspect

import pytest

from hornbeam import errors

CLASSES = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, errors.HornbeamError) and error.__module__ == errors.__name__
]
LEAVES = [error for error in CLASSES if not any(other.__base__ is error for other in CLASSES)]


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_its_docstring_is_its_default_message(leaf):
    [first, *_] = (leaf.__doc__ or "").strip().splitlines() or [""]
    assert first.endswith("."), "the first line is a sentence that a client may read"


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_it_sets_its_own_code(leaf):
    assert "code" in vars(leaf)
    assert leaf.code == leaf.code.lower()


def test_codes_are_unique():
    codes = [error.code for error in CLASSES]
    assert sorted(set(codes)) == sorted(codes)


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = errors.__doc__ or ""
    missing = [error.__name__ for error in CLASSES if error.__name__ not in drawn]
    assert not missing
