"""Writers of AnoVox's single files; `files` has the readers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib.anovox.format.files import DEPTH_MAX_M, DEPTH_STEPS


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write RGB-CAM or INSTANCE-CAM from (H, W, 3) uint8, SEMANTIC-CAM or ROUTE_MAP from (H, W) uint8."""
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, format="PNG", compress_level=1)


def write_depth(path: Path, depth_m: npt.NDArray[np.float64]) -> None:
    """Write DEPTH_CAM from (H, W) planar depth [m], clipped to 1000 m."""
    steps = _depth_steps(depth_m)
    write_png(path, np.stack([steps & 255, steps >> 8 & 255, steps >> 16], axis=-1).astype(np.uint8))


def depth_as_stored(depth_m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Depth (H, W) [m] after a round trip through `write_depth` and `read_depth`."""
    return np.asarray(DEPTH_MAX_M * _depth_steps(depth_m) / DEPTH_STEPS, dtype=np.float64)


def _depth_steps(depth_m: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    return np.rint(np.clip(depth_m / DEPTH_MAX_M, 0.0, 1.0) * DEPTH_STEPS).astype(np.uint32)


def write_cloud(path: Path, cloud: npt.NDArray[np.floating]) -> None:
    """Write LIDAR or SEMANTIC-LIDAR from (N, 4), column-major as AnoVox does."""
    with path.open("wb") as file:
        np.save(file, np.asfortranarray(cloud), allow_pickle=False)


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write VOXEL_GRID, row-major."""
    with path.open("wb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def write_key_values(path: Path, values: Mapping[str, str]) -> None:
    """Write an ACTION or ANOMALY file."""
    assert all("\n" not in text for pair in values.items() for text in pair)
    assert all(key.strip() and ";" not in key for key in values)
    path.write_text("".join(f"{key} ; {value}\n" for key, value in values.items()), encoding="utf-8")
