"""A file for the reader, and its answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hornbeam.ingest.answering import answer
from hornbeam.ingest.incoming import Arrival
from hornbeam.ingest.protocol import TABLE, IngestAnswer, IngestLimits, IngestRequest
from schemas.stored_datasets import ReadingOptions


@dataclass
class Reads:
    """Reads files in this process."""

    folder: Path

    def __call__(self, name: str, data: bytes, limits: IngestLimits | None = None, **options: Any) -> IngestAnswer:
        path = self.folder / "file"
        path.write_bytes(data)
        request = IngestRequest(
            path=str(path),
            name=name,
            options=ReadingOptions.model_validate(options),
            workdir=str(self.folder),
            limits=limits or IngestLimits(),
        )
        return answer(request, Arrival.of_whole(path))

    def table(self) -> Any:
        """The table of what was read last."""
        with pa.OSFile(str(self.folder / TABLE)) as file:
            return pa.ipc.open_file(file).read_all()


@pytest.fixture
def read(tmp_path: Path) -> Reads:
    return Reads(tmp_path)
