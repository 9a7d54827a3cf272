"""What a worker's supervisors share."""

from dataclasses import dataclass

from hornbeam.queue.base import Live
from hornbeam.settings import Settings
from hornbeam.storage.artifacts import ArtifactStore
from hornbeam.storage.base import Store
from workers.launcher import Launcher
from workers.table_cache import TableCache
from workers.workdirs import WorkDirs


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an installation, as a worker has opened them."""

    settings: Settings
    store: Store
    artifacts: ArtifactStore
    live: Live
    launcher: Launcher
    workdirs: WorkDirs
    tables: TableCache
