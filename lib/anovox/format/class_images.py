"""SEMANTIC-CAM and SEMANTIC_IMG: class ids as AnoVox writes them, as CARLA does, or as the palette's colours."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format import files
from lib.anovox.format.colors import class_ids_of_colors, undefined_colors
from lib.anovox.format.files import FileError, Reason
from lib.common.labels import UNKNOWN, is_known

MAX_UNKNOWN_COLORS: Final = 0.9
"""Of a label image's pixels; with more of them, the picture is none of labels."""


def read_class_image(path: Path, height: int, width: int, anomaly_id: int) -> npt.NDArray[np.uint8]:
    """Read a label image: (H, W) uint8 class ids; ids and colours that AnoVox does not define become 255 (unknown).

    A PNG of one channel holds ids (AnoVox's release), one of several the id in red with green and blue empty (what
    CARLA's own save writes) or the palette's colours (the old sample layout); `anomaly_id` is the class of the colour
    that all anomalies share. Raises FileError for a file that cannot be used.
    """
    pixels = files.read_png(path, height, width)
    ids = _ids(path, pixels)
    if ids is not None:
        return files.known_ids(ids)
    class_ids = class_ids_of_colors(pixels, anomaly_id)
    unknown = float(np.mean(class_ids == UNKNOWN))
    if unknown > MAX_UNKNOWN_COLORS:
        problem = f"a colour picture, {unknown:.0%} of whose pixels have a colour of no class: it holds no class ids"
        remedy = "write class ids in one channel (in CARLA: the red channel of the raw image)"
        raise FileError(path, Reason.DAMAGED_IMAGE, problem, remedy)
    return class_ids


def undefined_classes(path: Path) -> tuple[int, ...]:
    """The class ids, or colours as 0xRRGGBB, ascending, of a readable label image that AnoVox does not define."""
    pixels = files.read_png(path, *files.png_size(path))
    ids = _ids(path, pixels)
    return files.undefined_ids(np.unique(ids)) if ids is not None else undefined_colors(pixels)


def _ids(path: Path, pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8] | None:
    """Class ids (H, W) where the pixels (H, W) or (H, W, 3) hold them; None where they are colours."""
    if pixels.ndim == 2:
        if pixels.max(initial=0) > UNKNOWN:
            problem = f"it holds {pixels.max()} as a class id, which has to fit into 8 bits"
            raise FileError(path, Reason.DAMAGED_IMAGE, problem, files.CORRECT)
        return pixels.astype(np.uint8, copy=False)
    red, others = pixels[..., 0], pixels[..., 1:]
    if others.any() and (others != red[..., None]).any():
        return None
    # Black and greys may be the palette's as well (unlabeled, building, pole): ids only with known ids among them.
    ids = np.unique(red)
    return red.astype(np.uint8) if not ids.any() or (is_known(ids) & (ids != UNKNOWN) & (ids > 0)).any() else None
