"""Point clouds in any of three formats: AnoVox's .npy, .pcd of the old sample layout, .ply as CARLA saves them."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format import files
from lib.anovox.format.colors import class_ids_of_colors
from lib.anovox.format.files import Undefined
from lib.reading.file_errors import FileError, Reason, check_coordinates
from lib.reading.pcd import pcd_size, read_pcd
from lib.reading.ply import ply_size, read_ply

_READERS: Final = {".pcd": read_pcd, ".ply": read_ply}
_SIZES: Final = {".npy": files.lidar_size, ".pcd": pcd_size, ".ply": ply_size}


def read_lidar(path: Path) -> npt.NDArray[np.float32]:
    """Read a LIDAR or PCD file: (N, 4) float32 x, y, z [m, sensor frame], intensity (0 if a .pcd or .ply has none).

    Raises FileError if the file cannot be used.
    """
    if path.suffix == ".npy":
        return files.read_lidar(path)
    cloud = _READERS[path.suffix](path)
    intensity = np.zeros(len(cloud.points_m)) if cloud.intensity is None else cloud.intensity
    with np.errstate(invalid="ignore", over="ignore"):
        points = np.column_stack([cloud.points_m, intensity]).astype(np.float32)
    check_coordinates(path, points)
    return points


def read_semantic_lidar(path: Path, anomaly_id: int, undefined: Undefined = None) -> npt.NDArray[np.float64]:
    """Read a SEMANTIC-LIDAR or SEMANTIC_PCD file: (N, 4) float64 x, y, z [m, sensor frame], class id.

    In .pcd and .ply the class is the field ObjTag, or else the palette's colour; `anomaly_id` is the class of the
    colour that all anomalies share. What AnoVox does not define becomes 255 and goes to `undefined`. Raises FileError.
    """
    if path.suffix == ".npy":
        return files.read_semantic_lidar(path, undefined)
    cloud = _READERS[path.suffix](path)
    if cloud.class_ids is not None:
        class_ids = files.byte_ids(path, cloud.class_ids, undefined)
    elif cloud.colors is not None:
        class_ids = class_ids_of_colors(cloud.colors, anomaly_id, undefined)
    else:
        problem = "it has neither ObjTag nor a colour (rgb), which hold the points' classes"
        raise FileError(path, Reason.BAD_ARRAY, problem, "delete it: VOXEL_GRID then gives the classes")
    with np.errstate(invalid="ignore"):
        points = np.column_stack([cloud.points_m, class_ids]).astype(np.float64)
    check_coordinates(path, points)
    return points


def cloud_size(path: Path) -> int:
    """Number of points of a LIDAR or PCD file, from its header; raises FileError if the header is damaged."""
    return _SIZES[path.suffix](path)


def check_semantic_cloud(path: Path) -> None:
    """Check only the header and size of a SEMANTIC-LIDAR file; raises FileError as its reader would."""
    if path.suffix == ".npy":
        files.check_array(path, files.SEMANTIC_LIDAR)
    else:
        cloud_size(path)
