"""Resizing of a frame's images and labels, with the intrinsics."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib.geometry.frame import Frame


def resize_frame(frame: Frame, height: int, width: int) -> Frame:
    """Resize a frame's images to (height, width): the camera image antialiased, labels and depth by nearest pixel."""
    if (height, width) == (frame.camera.height_px, frame.camera.width_px):
        return frame
    picture = Image.fromarray(frame.image).resize((width, height), Image.Resampling.BILINEAR)
    return replace(
        frame,
        image=np.asarray(picture),
        pixel_class=_nearest(frame.pixel_class, height, width),
        depth_m=_nearest(frame.depth_m, height, width),
        calibration=frame.calibration.resized(width, height),
    )


def _nearest(pixels: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
    """Nearest-neighbour resize: each new pixel has the value of the old pixel that contains its centre."""
    rows = ((np.arange(height) + 0.5) * pixels.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * pixels.shape[1] / width).astype(np.int64)
    return np.ascontiguousarray(pixels[rows][:, columns])
