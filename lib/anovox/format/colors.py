"""Class ids written as colours: AnoVox's palette, and the one in its benchmark's voxelize_groundtruth.py."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.labels import LABELS, UNKNOWN

ANOMALY_COLOR: Final = (245, 0, 0)
"""Every anomaly has this colour in the old sample layout."""
GENERIC_ANOMALY_ID: Final = 100
BENCHMARK_COLORS: Final[Mapping[int, tuple[int, int, int]]] = {
    29: (250, 128, 114),
    30: (255, 36, 0),
    31: (224, 17, 95),
    32: (184, 15, 10),
}


def anomaly_id_of(blueprint: str | None) -> int:
    """Class id of pixels with the colour (245, 0, 0), which all anomalies share.

    Given by the blueprint's last word (static.prop.o_barbedwire_special -> 32), else 100, AnoVox's `anomaly`.
    """
    word = (blueprint or "").rpartition("_")[2].lower()
    return next((label.id for label in LABELS if label.name == word and label.id in range(29, 35)), GENERIC_ANOMALY_ID)


def class_ids_of_colors(
    colors: npt.NDArray[np.uint8], anomaly_id: int, undefined: set[int] | None = None
) -> npt.NDArray[np.uint8]:
    """Class ids (...) of palette colours (..., 3) RGB, matched exactly; 255 where no class has the colour.

    Colours of no class go to `undefined`, as 0xRRGGBB.
    """
    of_color = {color: class_id for class_id, color in BENCHMARK_COLORS.items()}
    of_color |= {label.color: label.id for label in LABELS} | {ANOMALY_COLOR: anomaly_id}
    keys = color_keys(np.array(list(of_color), dtype=np.uint8))
    ids = np.array(list(of_color.values()), dtype=np.uint8)
    order = np.argsort(keys)
    keys, ids = keys[order], ids[order]
    wanted = color_keys(colors)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = keys[place] == wanted
    if undefined is not None:
        undefined |= set(wanted[~found].tolist())
    return np.where(found, ids[place], np.uint8(UNKNOWN))


def color_keys(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Colours (..., 3) RGB as numbers 0xRRGGBB."""
    red, green, blue = np.moveaxis(colors.astype(np.int32), -1, 0)
    return np.asarray(red << 16 | green << 8 | blue, dtype=np.int32)
