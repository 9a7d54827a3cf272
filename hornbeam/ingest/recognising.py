"""What a file is: by what the client says, its name, its media type and its first bytes, which have the last word.

Leaves reading it to the reader that is chosen here.
"""

from hornbeam.ingest.arrays import NpyReader, NpzReader
from hornbeam.ingest.compression import compression_of
from hornbeam.ingest.csv_files import CsvReader
from hornbeam.ingest.images import ImagesReader
from hornbeam.ingest.incoming import Arrival
from hornbeam.ingest.protocol import IngestRequest
from hornbeam.ingest.reading import Reader, Task
from schemas.stored_datasets import DatasetFormat


def recognise(request: IngestRequest, arrival: Arrival) -> Reader:
    """The reader for a file; raises FileRefused where there is none, or the file is not what it is said to be."""
    head = arrival.open().read(512)
    compression = compression_of(head)
    if head.startswith(b"\x93NUMPY"):
        return NpyReader(Task(arrival, DatasetFormat.NPY, None, request.options, request.limits))
    if request.name.endswith(".npz"):
        return NpzReader(Task(arrival, DatasetFormat.NPZ, None, request.options, request.limits))
    if head.startswith(b"PK") or "tar" in request.name:
        return ImagesReader(Task(arrival, DatasetFormat.IMAGES, compression, request.options, request.limits))
    return CsvReader(Task(arrival, DatasetFormat.CSV, compression, request.options, request.limits))
