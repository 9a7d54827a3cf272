"""The client's public door."""

import hornbeam.client


def test_all_is_what_is_public():
    public = {name for name in vars(hornbeam.client) if not name.startswith("_")}
    assert public == set(hornbeam.client.__all__)


def test_everything_public_says_what_it_is_for():
    for name in hornbeam.client.__all__:
        exported = getattr(hornbeam.client, name)
        assert exported.__doc__
        assert all(member.__doc__ for key, member in vars(exported).items() if callable(member) and key[0] != "_")
