"""PNG files: the checks of their chunks, and plain ones decoded two to three times as fast as by Pillow, to the same
pixels.

By kornia-rs, whose decoder is memory-safe Rust. Without it, Pillow decodes everything.
"""

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from warnings import catch_warnings

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib.common.reading import read_bytes

try:
    from kornia_rs.io import decode_image_png_u8
except ImportError:
    decode_image_png_u8 = None

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
END: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_HEADER_BYTES: Final = 29
_MODES: Final = {b"\x08\x00\x00\x00\x00": ("mono", 1), b"\x08\x02\x00\x00\x00": ("rgb", 3)}
"""By the end of a header: 8 bits, grey or three colours, compressed and filtered as all PNG are, not interlaced."""
_PILLOW_MODES: Final = ("L", "LA", "RGB", "RGBA", "P")
_MOST_PIXEL_BYTES: Final = 8
_SLACK_BYTES: Final = 1 << 20


class OtherPixelsError(ValueError):
    """A sound PNG of pixels that none of AnoVox's have."""


def read_pixels(path: Path, height: int, width: int) -> npt.NDArray[Any]:
    """The pixels of a PNG of this size: grey (H, W), of 8 or 16 bits, or (H, W, 3) RGB of 8; alpha is left out.

    Every chunk has to match its checksum, which the decoders leave out. Raises ValueError and whatever else Pillow
    raises over a damaged file, OSError as `read_bytes`.
    """
    content = read_bytes(path, _most_bytes(height, width))
    kinds = list(_checked_chunks(content))
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") > 1:
        raise ValueError("its header is not there once, and first")
    mode, channels = _MODES.get(content[24:_HEADER_BYTES], ("", 0))
    if decode_image_png_u8 is not None and mode and b"acTL" not in kinds:
        try:
            pixels: npt.NDArray[Any] = decode_image_png_u8(content, (height, width), mode)
            return pixels[:, :, 0] if channels == 1 else pixels
        except Exception:  # it raises no narrower one
            return _by_pillow(content)  # or it says what is wrong
    return _by_pillow(content)


def _by_pillow(content: bytes) -> npt.NDArray[Any]:
    with catch_warnings(action="error"), Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if image.mode.startswith("I"):
            return np.asarray(image).astype(np.uint16)
        if image.mode not in _PILLOW_MODES:
            raise OtherPixelsError(f"pixels of mode {image.mode}, not grey or RGB")
        return np.array(image.convert("L" if image.mode in ("L", "LA") else "RGB"))


def _checked_chunks(content: bytes) -> Iterator[bytes]:
    """The kinds of a PNG's chunks, to its end; raises ValueError where one does not match its checksum."""
    view, place, kind = memoryview(content), len(MAGIC), b""
    while kind != b"IEND":
        length = int.from_bytes(view[place : place + 4], "big")
        body, end = place + 4, place + 8 + length
        kind = bytes(view[body : body + 4])
        checksum = view[end : end + 4]
        if len(checksum) < 4:
            raise ValueError("it is cut off")
        if zlib.crc32(view[body:end]) != int.from_bytes(checksum, "big"):
            raise ValueError(f"its chunk {kind!r} does not match its checksum")
        yield kind
        place = end + 4


def _most_bytes(height: int, width: int) -> int:
    """More than a PNG of this size needs, even where nothing could be compressed."""
    return height * (1 + width * _MOST_PIXEL_BYTES) * 9 // 8 + _SLACK_BYTES
