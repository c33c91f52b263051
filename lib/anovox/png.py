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
_PLAIN: Final = {"L": b"\x08\x00\x00\x00\x00", "RGB": b"\x08\x02\x00\x00\x00"}
"""Of a header: 8 bits, grey or three colours, compressed and filtered as all PNG are, not interlaced."""
_MODES: Final = {"L": ("mono", 1), "RGB": ("rgb", 3)}
_ANIMATION: Final = b"acTL"
_SLACK_BYTES: Final = 65_536


def decoded(path: Path, height: int, width: int, mode: str) -> npt.NDArray[np.uint8] | None:
    """The pixels, (H, W) of mode L or (H, W, 3) of mode RGB, of a plain PNG of this size and mode that is whole.

    None for every other file: let Pillow decode it, or say what is wrong with it. Raises OSError as `open`.
    """
    kind, channels = _MODES[mode]
    most_bytes = height * (1 + width * channels) * 9 // 8 + _SLACK_BYTES
    if decode_image_png_u8 is None or path.stat().st_size > most_bytes:
        return None
    content = path.read_bytes()
    if content[24:_HEADER_BYTES] != _PLAIN[mode] or _ANIMATION in content:
        return None
    try:
        pixels: npt.NDArray[Any] = decode_image_png_u8(content, (height, width), kind)
    except Exception:  # it raises no narrower one
        return None
    return pixels[:, :, 0] if channels == 1 else pixels
