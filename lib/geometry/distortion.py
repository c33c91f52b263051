"""Lens distortion by OpenCV's model, undone once, when an image is read."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from lib.geometry.camera import Camera

COEFFICIENTS: Final = (4, 5, 8)
"""Numbers of coefficients: k1, k2, p1, p2; then k3; then k4, k5, k6."""

Values = npt.NDArray[np.float64]


def distorted(x: Values, y: Values, coefficients: Sequence[float]) -> tuple[Values, Values]:
    """Where the lens images the directions x right, y down (any shape, in units of the depth): x, y in the same units.

    `coefficients`: k1, k2, p1, p2[, k3[, k4, k5, k6]].
    Source: OpenCV, "Camera Calibration and 3D Reconstruction" (calib3d), detailed description.
    """
    k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, 0.0, 0.0, 0.0, 0.0)[:8]
    squared = x * x + y * y
    radial = (1 + squared * (k1 + squared * (k2 + squared * k3))) / (1 + squared * (k4 + squared * (k5 + squared * k6)))
    return (
        x * radial + 2 * p1 * x * y + p2 * (squared + 2 * x * x),
        y * radial + p1 * (squared + 2 * y * y) + 2 * p2 * x * y,
    )


def undistorted(image: npt.NDArray[np.uint8], camera: Camera, coefficients: tuple[float, ...]) -> npt.NDArray[np.uint8]:
    """The image (H, W, 3) uint8 as a pinhole camera with the same intrinsics takes it; black where there are no pixels.

    Colours are interpolated linearly between the four nearest pixels.
    """
    places = _sources(camera, coefficients)
    channels = [map_coordinates(channel, places, np.float32, order=1) for channel in image.transpose(2, 0, 1)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), dtype=np.uint8)


@lru_cache(maxsize=2)
def _sources(camera: Camera, coefficients: tuple[float, ...]) -> Values:
    """Row and column (2, H, W) in the distorted image of each pixel's centre."""
    u, v = np.meshgrid(np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5)
    x, y = distorted((u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px, coefficients)
    return np.stack([y * camera.fy_px + camera.cy_px - 0.5, x * camera.fx_px + camera.cx_px - 0.5])
