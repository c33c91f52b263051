"""Camera images of any format: PNG and JPEG, decoded to red, green and blue of 8 bits."""

import io
from pathlib import Path
from typing import Final
from warnings import catch_warnings

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib.common.reading import open_file, read_bytes
from lib.reading import png
from lib.reading.file_errors import CORRECT, IMAGE_DAMAGE, MAX_PIXELS, FileError, Reason, unreadable

IMAGE_ENDINGS: Final = (".png", ".jpg", ".jpeg")
MAX_JPEG_BYTES: Final = 256_000_000
ORIENTATION: Final = 0x0112
"""The tag of an image's EXIF data that says how it is turned; 1 is upright."""


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image, from its header; raises FileError if there is none, or it is too large."""
    try:
        with (
            catch_warnings(action="ignore"),
            open_file(path) as file,
            Image.open(file, formats=["PNG", "JPEG"]) as image,
        ):
            width, height = image.size
    except IMAGE_DAMAGE as error:
        raise _undecodable(path, error) from None
    if height * width > MAX_PIXELS:
        problem = f"{height} x {width} pixels (height x width), more than the {MAX_PIXELS:,} of any camera here"
        raise FileError(path, Reason.DAMAGED_IMAGE, problem, CORRECT)
    return height, width


def read_image(path: Path, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Read a PNG or JPEG of the given size: (H, W, 3) uint8 RGB; grey becomes three equal channels, alpha is dropped.

    Raises FileError if it is damaged, has another size, 16 bits of grey, CMYK colours, or EXIF data that turn it.
    """
    found = image_size(path)
    if found != (height, width):
        problem = f"{found[0]} x {found[1]} pixels (height x width), but its camera's images are {height} x {width}"
        raise FileError(path, Reason.DAMAGED_IMAGE, problem, CORRECT)
    try:
        with open_file(path) as file:
            is_png = file.read(len(png.MAGIC)) == png.MAGIC
        pixels = png.read_pixels(path, height, width) if is_png else _jpeg(path)
    except png.UnsupportedPixelsError as error:
        raise FileError(path, Reason.DAMAGED_IMAGE, str(error), "save it as RGB or grey, 8 bits, upright") from None
    except IMAGE_DAMAGE as error:
        raise _undecodable(path, error) from None
    if pixels.dtype != np.uint8:
        problem = "its grey has 16 bits, and how bright they are meant is unknown"
        raise FileError(path, Reason.DAMAGED_IMAGE, problem, "save it with 8 bits")
    if pixels.ndim == 3:
        return pixels
    return np.repeat(pixels[:, :, None], 3, axis=2)


def _jpeg(path: Path) -> npt.NDArray[np.uint8]:
    content = io.BytesIO(read_bytes(path, MAX_JPEG_BYTES))
    with catch_warnings(action="error"), Image.open(content, formats=["JPEG"]) as image:
        if image.mode not in ("L", "RGB"):
            raise png.UnsupportedPixelsError(f"pixels of mode {image.mode}, not grey or RGB")
        if image.getexif().get(ORIENTATION, 1) != 1:
            raise png.UnsupportedPixelsError("its EXIF data say that it is turned, which no calibration tells")
        return np.array(image)


def _undecodable(path: Path, error: BaseException) -> Exception:
    problem = f"the image cannot be decoded ({' '.join(str(error).split())[:200]})"
    return unreadable(path, Reason.DAMAGED_IMAGE, problem, error)
