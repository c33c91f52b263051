"""ROUTE_MAP: the ego's route from above, as drawn by AnoVox's generator (DataAnalysis/BevGenerator.py)."""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

ROUTE_MAP_SIZE_PX: Final = 192
PIXELS_PER_METRE: Final = 5.0
EGO_TO_BOTTOM_PX: Final = 40
HALF_WIDTH_PX: Final = 8
_SCALE: Final = (ROUTE_MAP_SIZE_PX - 1) / ROUTE_MAP_SIZE_PX
"""AnoVox maps a width of 192 pixels to the distance of the first and last pixel's centres, which is 191."""


def draw_route_map(
    route_xy_m: npt.NDArray[np.float64], world_SE3_ego: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Draw the route around the ego, (192, 192) uint8, 0 or 255; the ego heads up, 40 pixels above the bottom.

    route_xy_m (N, 2): waypoints [m, world, y left]; world_SE3_ego (4, 4).
    """
    ahead = world_SE3_ego[:2, 0] / np.linalg.norm(world_SE3_ego[:2, 0])
    right = np.array([ahead[1], -ahead[0]])
    offset_px = PIXELS_PER_METRE * (route_xy_m - world_SE3_ego[:2, 3])
    column = _SCALE * (ROUTE_MAP_SIZE_PX / 2 + offset_px @ right)
    row = ROUTE_MAP_SIZE_PX - 1 - _SCALE * (EGO_TO_BOTTOM_PX + offset_px @ ahead)
    pixels = np.rint(np.column_stack([column, row])).astype(int).tolist()
    image = Image.new("L", (ROUTE_MAP_SIZE_PX, ROUTE_MAP_SIZE_PX))
    draw = ImageDraw.Draw(image)
    draw.line([(x, y) for x, y in pixels], fill=255, width=2 * HALF_WIDTH_PX + 1)
    for x, y in pixels:
        draw.ellipse((x - HALF_WIDTH_PX, y - HALF_WIDTH_PX, x + HALF_WIDTH_PX, y + HALF_WIDTH_PX), fill=255)
    return np.array(image)
