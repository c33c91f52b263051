"""Clearly visible examples of each kind of pseudo-anomaly and negative, for the sheet of tools/pseudo_anomalies.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lib.synthesis.canvas import finished, open_scene
from lib.synthesis.families import TRAINING, VALIDATION, Families
from lib.synthesis.ground_negatives import paste_ground_negatives
from lib.synthesis.misfits import paste_misfits
from lib.synthesis.placing import Slot
from lib.synthesis.pseudo_anomalies import paste_kind
from lib.synthesis.targets import no_targets
from lib.synthesis.transplant import transplant
from lib.views.range_view import RangeGrid, Views

KINDS: Final[dict[str, Slot | Literal["misfit", "shadow", "dirt", "transplant"]]] = {
    "both": Slot.BOTH,
    "misfit": "misfit",
    "geometry only": Slot.GEOMETRY,
    "appearance only": Slot.APPEARANCE,
    "shadow (normal)": "shadow",
    "dirt (normal)": "dirt",
    "transplanted (normal)": "transplant",
}
FAMILIES: Final[dict[str, Families]] = {"training": TRAINING, "validation": VALIDATION}
NEGATIVES: Final = ("shadow", "dirt", "transplant")
MAX_IMAGE_FRACTION: Final = 0.12
_MIN_COLOR_CHANGE: Final = 0.03
SEED: Final = 32_452_843


@dataclass(frozen=True, eq=False)
class Example:
    """A frame with one pasted object: image (H, W, 3) in [0, 1], range_m (R, C) with 0 = no return, and the pixels
    (H, W) and cells (R, C) that the object changed.
    """

    kind: str
    families: str
    image: npt.NDArray[np.float32]
    pixels: npt.NDArray[np.bool_]
    range_m: npt.NDArray[np.float32]
    cells: npt.NDArray[np.bool_]


@torch.no_grad()
def examples(views: Views, grid: RangeGrid, each: int) -> Iterator[Example]:
    """Yield `each` examples per kind and family: the frames in which it is largest, below MAX_IMAGE_FRACTION."""
    everywhere_B = torch.ones_like(views.has_lidar_B)
    for kind, what in KINDS.items():
        for number, (name, families) in enumerate(FAMILIES.items()):
            generator = torch.Generator(views.image_B3HW.device).manual_seed(SEED + number)
            if what == "misfit" and not families.misfits:
                continue
            if what == "transplant":
                pasted, targets = transplant(views, everywhere_B, generator), no_targets(views)
            elif isinstance(what, Slot):
                pasted, targets = paste_kind(views, grid, what, families, generator)
            else:
                scene = open_scene(views, grid, *views.projection)
                if what == "misfit":
                    paste_misfits(scene, everywhere_B, 0, generator)
                else:
                    paste_ground_negatives(scene, everywhere_B, everywhere_B & (what == "dirt"), generator)
                pasted, targets = finished(scene)
            marked = targets.pixel_BHW == 1
            changed = (pasted.image_B3HW - views.image_B3HW).abs().mean(1) > _MIN_COLOR_CHANGE
            pixels_BHW = changed if what in NEGATIVES else marked
            cells_BRC = (targets.cell_BRC == 1) | (pasted.range_m_BRC != views.range_m_BRC)
            fraction_B = pixels_BHW.flatten(1).float().mean(1)
            order = torch.where(fraction_B <= MAX_IMAGE_FRACTION, fraction_B, 0.0).argsort(descending=True)[:each]
            for frame in order.tolist():
                image = _array(pasted.image_B3HW[frame].permute(1, 2, 0))
                ranges = _array(pasted.range_m_BRC[frame])
                yield Example(kind, name, image, _array(pixels_BHW[frame]), ranges, _array(cells_BRC[frame]))


def _array(values: Tensor) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = values.cpu().numpy()
    return found
