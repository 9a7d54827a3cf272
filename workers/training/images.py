"""Images that lie encoded in a table: decoded as they are asked for.

Leaves resizing and scaling to layers, and checking the files to those who read them in.
"""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from workers.cores import cores
from workers.training.columns import Array, Column, Numbers, Shape

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class EncodedImages(Column):
    """The images of a column of an Arrow file, as float32 from 0 to 255.

    Args:
        path: The Arrow file. It is mapped: nothing is read before it is asked for.
        name: The column.
        shape: (rows, height, width, channels); None where heights and widths differ.
    """

    def __init__(self, path: Path, name: str, shape: Shape) -> None:
        self.shape, self.dtype = shape, np.dtype(np.float32)
        self._chunks = pa.ipc.open_file(pa.memory_map(str(path))).read_all()[name].chunks
        self._firsts = np.cumsum([0, *(len(chunk) for chunk in self._chunks)])
        self._mode = _MODES[shape[3] or 3]
        self._pool = ThreadPoolExecutor(cores(), thread_name_prefix="images")

    @property
    def is_piped(self) -> bool:
        """TensorFlow decodes them."""
        return True

    def __getitem__(self, numbers: Numbers) -> Array:
        return np.stack(list(self._pool.map(self._decoded, numbers.tolist())))

    @property
    def encoded_bytes(self) -> int:
        """What all images take as they lie in the table."""
        return sum(int(pc.sum(pc.binary_length(chunk)).as_py() or 0) for chunk in self._chunks)

    def encoded(self, number: int) -> bytes:
        """An image as it lies in the table."""
        index = int(np.searchsorted(self._firsts, number, side="right")) - 1
        data: bytes = self._chunks[index][number - int(self._firsts[index])].as_py()
        return data

    def _decoded(self, number: int) -> Array:
        with Image.open(io.BytesIO(self.encoded(number))) as image:
            pixels = np.asarray(image.convert(self._mode), np.float32)
        return pixels if pixels.ndim == 3 else pixels[..., None]
