"""Plain PNG files decoded two to three times as fast as by Pillow, to the same pixels.

By kornia-rs, whose decoder is memory-safe Rust. Without it, Pillow decodes everything.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

try:
    from kornia_rs.io import decode_image_png_u8
except ImportError:
    decode_image_png_u8 = None

_HEADER_BYTES: Final = 29
_MODES: Final = {b"\x08\x00\x00\x00\x00": ("mono", 1), b"\x08\x02\x00\x00\x00": ("rgb", 3)}
"""By the end of a header: 8 bits, grey or three colours, compressed and filtered as all PNG are, not interlaced."""
_ANIMATION: Final = b"acTL"
_SLACK_BYTES: Final = 65_536


def decoded(path: Path, height: int, width: int) -> npt.NDArray[np.uint8] | None:
    """The pixels, (H, W) grey or (H, W, 3) RGB, of a plain PNG of this size that is whole.

    None for every other file: let Pillow decode it, or say what is wrong with it. Raises OSError as `open`.
    """
    if decode_image_png_u8 is None or path.stat().st_size > _most_bytes(height, width, 3):
        return None
    content = path.read_bytes()
    mode, channels = _MODES.get(content[24:_HEADER_BYTES], ("", 0))
    if not mode or len(content) > _most_bytes(height, width, channels) or _ANIMATION in content:
        return None
    try:
        pixels: npt.NDArray[Any] = decode_image_png_u8(content, (height, width), mode)
    except Exception:  # it raises no narrower one
        return None
    return pixels[:, :, 0] if channels == 1 else pixels


def _most_bytes(height: int, width: int, channels: int) -> int:
    """More than a PNG of this size needs, even where nothing could be compressed."""
    return height * (1 + width * channels) * 9 // 8 + _SLACK_BYTES
