"""The laws of `hornbeam.storage.base` and `hornbeam.storage.datasets`, as a suite of tests that every store must pass.

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def open_store(self, clock):
            ...  # a callable; each call opens the same, fresh database once more, on this clock

        @pytest.fixture
        def lost_store(self):
            ...  # a store whose database cannot be reached

Needs pytest. Register it for assertion rewriting in a conftest.py:
`pytest.register_assert_rewrite("hornbeam.testing.stores")`.
"""

from hornbeam.testing.stores.catalogues import CatalogueLaws
from hornbeam.testing.stores.claims import ClaimLaws
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.datasets import DatasetLaws, DatasetListLaws
from hornbeam.testing.stores.fencing import FencingLaws
from hornbeam.testing.stores.keys import KeyLaws
from hornbeam.testing.stores.lists import ListLaws
from hornbeam.testing.stores.records import RecordLaws
from hornbeam.testing.stores.requests import RequestLaws
from hornbeam.testing.stores.statuses import StatusLaws
from hornbeam.testing.stores.upkeep import UpkeepLaws
from hornbeam.testing.stores.uploads import UploadLaws

__all__ = ["Clock", "StoreSuite"]


class StoreSuite(
    StatusLaws,
    RequestLaws,
    ClaimLaws,
    FencingLaws,
    RecordLaws,
    ListLaws,
    UpkeepLaws,
    KeyLaws,
    CatalogueLaws,
    DatasetLaws,
    DatasetListLaws,
    UploadLaws,
):
    """Everything that a store must do."""
