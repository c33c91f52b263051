"""Whether clouds and depth images are of the same tick: points that fit one tick's depth image and not its neighbour's.

Each such point says which of the two ticks its cloud is of, so that a tenth of a second at walking pace is enough;
points that fit both (the road, what is far away or stands still) say nothing, and are not counted.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.geometry.frame import Frame
from lib.preprocessing.summed import Summed

FIT_M: Final = 0.3
"""A point fits a depth image that shows its depth up to this: three times the noise of AnoVox's LiDAR."""


@dataclass(frozen=True)
class TickFit(Summed):
    """Points over frames whose previous tick was read too, by the depth image that they fit.

    Of this tick's clouds: `own_now` fit this tick's image alone, `late` that of the tick before alone. Of the clouds of
    the tick before: `own_before` fit that tick's image alone, `early` this tick's alone.
    """

    own_now: int = 0
    late: int = 0
    own_before: int = 0
    early: int = 0


def tick_fit(frame: Frame, before: Frame) -> TickFit:
    """Compare the clouds and depth images of a camera's frame and of its frame of the previous tick."""
    now, late = _fits(frame, frame.depth_m, before.depth_m)
    then, early = _fits(before, before.depth_m, frame.depth_m)
    pairs = (now, late), (late, now), (then, early), (early, then)
    return TickFit(*(int(np.count_nonzero(one & ~other)) for one, other in pairs))


def _fits(frame: Frame, *depths_m: npt.NDArray[np.float32]) -> list[npt.NDArray[np.bool_]]:
    """Which of the frame's points in view (V,) each of some depth images (H, W) [m] shows at their depth."""
    columns_m = frame.points[:, :3].T.astype(np.float64, order="C")
    _, row, column, point_depth_m = frame.calibration.pixels_of(columns_m)
    return [np.asarray(np.abs(point_depth_m - depth_m[row, column]) <= FIT_M) for depth_m in depths_m]
