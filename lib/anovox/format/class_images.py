"""SEMANTIC-CAM and SEMANTIC_IMG: class ids as written by AnoVox, by CARLA, or as colours of the palette."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format import files
from lib.anovox.format.colors import class_ids_of_colors
from lib.anovox.format.files import Undefined
from lib.common.labels import UNKNOWN, is_known
from lib.reading.file_errors import CORRECT, FileError, Reason

MAX_UNKNOWN_COLORS: Final = 0.9
"""Fraction of pixels; an image with more of them does not hold labels."""


def read_class_image(
    path: Path, height: int, width: int, anomaly_id: int, undefined: Undefined = None
) -> npt.NDArray[np.uint8]:
    """Read a label image: (H, W) uint8 class ids; ids and colours that AnoVox does not define become 255 (unknown).

    A PNG with one channel holds ids (AnoVox's release). A PNG with several channels holds either ids in red, with green
    and blue 0 (CARLA's own writer), or colours of the palette (old sample layout). `anomaly_id` is the class of the
    colour that all anomalies share. What AnoVox does not define goes to `undefined`. Raises FileError.
    """
    pixels = files.read_png(path, height, width)
    ids = _ids(path, pixels)
    if ids is not None:
        return files.known_ids(ids, ids, undefined)
    class_ids = class_ids_of_colors(pixels, anomaly_id, undefined)
    unknown = float(np.mean(class_ids == UNKNOWN))
    if unknown > MAX_UNKNOWN_COLORS:
        problem = f"a colour image, {unknown:.0%} of whose pixels have a colour of no class: it holds no class ids"
        remedy = "write class ids in one channel (in CARLA: the red channel of the raw image)"
        raise FileError(path, Reason.DAMAGED_IMAGE, problem, remedy)
    return class_ids


def _ids(path: Path, pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8] | None:
    """Class ids (H, W) if the pixels (H, W) or (H, W, 3) hold ids; None if they hold colours."""
    if pixels.ndim == 2:
        if pixels.max(initial=0) > UNKNOWN:
            problem = f"it holds {pixels.max()} as a class id, which has to fit into 8 bits"
            raise FileError(path, Reason.DAMAGED_IMAGE, problem, CORRECT)
        return pixels.astype(np.uint8, copy=False)
    red, others = pixels[..., 0], pixels[..., 1:]
    if others.any() and (others != red[..., None]).any():
        return None
    # Grey pixels may also be colours of the palette (unlabeled, building, pole). They are ids if a known id occurs.
    ids = np.unique(red)
    return red.astype(np.uint8) if not ids.any() or (is_known(ids) & (ids != UNKNOWN) & (ids > 0)).any() else None
