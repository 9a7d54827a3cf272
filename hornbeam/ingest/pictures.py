"""Encoded images, looked at one by one: whether they can be decoded, are of a known format, and not too large.

Leaves the archives that they come in to `images`.
"""

import io
import warnings

from PIL import Image, UnidentifiedImageError

from hornbeam.ingest.refusals import refused

# Pillow's own limit is one for the whole process, and would be told before the size is known.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp"})
_CHANNELS = {"1": 1, "L": 1, "I;16": 1, "I": 1, "LA": 2, "P": 3, "RGB": 3, "YCbCr": 3, "RGBA": 4, "CMYK": 4}


class PictureCheck:
    """Checks images, and remembers what is the same about all of them."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._shape: list[int | None] | None = None
        self._size = (0, 0)

    @property
    def shape(self) -> list[int | None]:
        """Height, width, channels; null where they vary."""
        return list(self._shape or [None, None, None])

    def look(self, data: bytes, where: str) -> None:
        """Decode one image.

        Args:
            data: As it is encoded.
            where: Names it for a client.

        Raises:
            FileRefused: If it is not an image, damaged, of another format or too large.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                    self._check_size(image, where)
                    # The smallest scale of a JPEG reads all of its data as well, and is several times faster.
                    image.draft(None, (1, 1))
                    mode = image.mode
                    image.load()
        except UnidentifiedImageError as error:
            raise refused(
                "image.unknown",
                f"{where} is not an image that can be read.",
                "Use JPEG, PNG, BMP, GIF or WebP.",
            ) from error
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise refused("image.damaged", f"{where} is cut off or damaged.", "Save the image again.") from error
        self._remember(mode)

    def _check_size(self, image: Image.Image, where: str) -> None:
        width, height = image.size
        if width * height > self._pixels:
            raise refused(
                "image.too_large",
                f"{where} has {width} x {height} pixels; {self._pixels} in all are allowed.",
                "Make the image smaller.",
            )
        self._size = (height, width)

    def _remember(self, mode: str) -> None:
        shape: list[int | None] = [*self._size, _CHANNELS.get(mode)]
        if self._shape is None:
            self._shape = shape
        else:
            self._shape = [one if one == other else None for one, other in zip(self._shape, shape, strict=True)]


def describe(data: bytes) -> str:
    """An image in words, for a preview: `JPEG 320x240`."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return f"{image.format} {image.width}x{image.height}"
