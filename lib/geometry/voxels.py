"""AnoVox's voxel grid: 0.5 m cells, 1000 x 1000 x 64, bit for bit as AnoVox's voxelize_separate.py computes it.

AnoVox *subtracts* a sensor's location instead of adding it, so voxels are too low by twice the sensor's height. This is
AnoVox's convention and is reproduced here; it is no calibration.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.labels import ROAD_LINE

Vector = tuple[float, float, float]

VOXEL_SIZE_M: Final = 0.5
GRID_SHAPE: Final = (1000, 1000, 64)
MONO_LOCATION: Final[Vector] = (0.0, 0.0, 1.8)
OUTSIDE: Final = -1
BLOCK_POINTS: Final = 16_384
"""Points per block: small enough for the processor's cache."""


@dataclass(frozen=True, eq=False)
class LabelledCloud:
    """One sensor's labelled cloud: points_m (N, 3) float64 [sensor frame], class_ids (N,) uint8, the sensor's pose.

    `location` [m] and `rotation` (roll, pitch, yaw) [degrees] as in sensor_setup.json.
    """

    points_m: npt.NDArray[np.float64]
    class_ids: npt.NDArray[np.uint8]
    location: Vector = MONO_LOCATION
    rotation: Vector = (0.0, 0.0, 0.0)


def points_to_grid(
    points_m: npt.NDArray[np.floating],
    location: Vector = MONO_LOCATION,
    rotation: Vector = (0.0, 0.0, 0.0),
    voxel_size_m: float = VOXEL_SIZE_M,
) -> npt.NDArray[np.float64]:
    """Convert points (N, 3 or more) [m, sensor frame] to (N, 3) float64 [m], relative to the grid's lowest corner."""
    points = np.asarray(points_m)[:, :3]
    if any(rotation):
        points = (_grid_rotation(rotation) @ points.astype(np.float64).T).T
    points = np.asarray(points, dtype=np.float64, order="F")  # the steps below work column by column
    return points - np.asarray(location, dtype=np.float64) + voxel_size_m * np.array(GRID_SHAPE) / 2


def voxel_keys(voxels: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """One int64 key per voxel (M, 3 or more: ix, iy, iz), ascending in AnoVox's row order; -1 outside the grid."""
    ix, iy, iz = (voxels[:, axis].astype(np.int64) for axis in range(3))
    return np.where(ix < 0, OUTSIDE, ix + GRID_SHAPE[0] * (iy + GRID_SHAPE[1] * iz))


def point_keys(
    points_m: npt.NDArray[np.floating], location: Vector = MONO_LOCATION, rotation: Vector = (0.0, 0.0, 0.0)
) -> npt.NDArray[np.int64]:
    """Voxel keys (N,) int64 of points (N, 3 or more) [m, sensor frame]: a faster way to voxel_keys and grid_cells."""
    keys = np.empty(len(points_m), dtype=np.int64)
    for first in range(0, len(points_m), BLOCK_POINTS):
        block = slice(first, first + BLOCK_POINTS)
        grid_m = points_to_grid(points_m[block], location, rotation)
        inside = np.ones(len(grid_m), dtype=bool)
        key = np.zeros(len(grid_m))
        for axis in (2, 1, 0):
            inside &= (grid_m[:, axis] >= 0) & (grid_m[:, axis] < VOXEL_SIZE_M * GRID_SHAPE[axis])
            key *= GRID_SHAPE[axis]
            key += np.floor(grid_m[:, axis] / VOXEL_SIZE_M)
        keys[block] = np.where(inside, key, OUTSIDE)
    return keys


def nearest_to_corner(
    grid_points_m: npt.NDArray[np.float64], keys: npt.NDArray[np.int64], voxel_size_m: float = VOXEL_SIZE_M
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
    """Keys (M,) of the occupied voxels, ascending, and the row (M,) of the point nearest to each voxel's lower corner.

    `grid_points_m` (N, 3) from `points_to_grid`, `keys` (N,) from `voxel_keys`. On a tie the earlier row wins.
    """
    x, y, z = _divmod(grid_points_m, voxel_size_m)[1].T
    inside = np.flatnonzero(keys != OUTSIDE)
    order = inside[np.argsort(keys[inside], kind="stable")]
    ordered, distance_squared = keys[order], (x * x + y * y + z * z)[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    least = np.minimum.reduceat(distance_squared, starts)
    nearest = np.flatnonzero(distance_squared == np.repeat(least, np.diff(starts, append=len(ordered))))
    return ordered[starts], order[nearest[np.searchsorted(nearest, starts)]]


def voxelize(clouds: Sequence[LabelledCloud], voxel_size_m: float = VOXEL_SIZE_M) -> npt.NDArray[np.uint16]:
    """Occupied voxels (M, 4) uint16: ix, iy, iz, class id; x varies fastest, then y, then z.

    A voxel is road line if any of its points is; otherwise it has the class of the point nearest to its lower corner.
    Points outside the grid are dropped. Another voxel size changes the grid's extent, not its shape, as in AnoVox.
    """
    if not clouds:
        return np.zeros((0, 4), dtype=np.uint16)
    points_m = np.concatenate([points_to_grid(c.points_m, c.location, c.rotation, voxel_size_m) for c in clouds])
    class_ids = np.concatenate([c.class_ids for c in clouds])
    cells = grid_cells(points_m, voxel_size_m)
    keys = voxel_keys(cells)
    occupied, rows = nearest_to_corner(points_m, keys, voxel_size_m)
    classes = class_ids[rows]
    classes[np.isin(occupied, keys[class_ids == ROAD_LINE])] = ROAD_LINE
    return np.column_stack([cells[rows], classes]).astype(np.uint16)


def grid_cells(grid_points_m: npt.NDArray[np.float64], voxel_size_m: float = VOXEL_SIZE_M) -> npt.NDArray[np.int32]:
    """Voxel indices (N, 3) int32 of points (N, 3) from `points_to_grid`; -1 in all three outside the grid."""
    cells, _ = _divmod(grid_points_m, voxel_size_m)
    extent_m = voxel_size_m * np.array(GRID_SHAPE)
    cells[((grid_points_m < 0) | (grid_points_m >= extent_m)).any(axis=1)] = OUTSIDE
    return cells.astype(np.int32)


def _divmod(
    points_m: npt.NDArray[np.float64], size_m: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """np.divmod, as in AnoVox's code: cell index and offset within the cell.

    For cell sizes that are powers of two, floor and subtraction give the same bits and are faster.
    """
    if math.frexp(size_m)[0] != 0.5:
        return np.divmod(points_m, size_m)
    cells = np.floor(points_m / size_m)
    return cells, points_m - cells * size_m


def _grid_rotation(rotation: Vector) -> npt.NDArray[np.float64]:
    """Rotation (3, 3) by minus the sensor's angles, as Rx Ry Rz."""
    (cx, cy, cz), (sx, sy, sz) = (function(-np.deg2rad(rotation)) for function in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_x @ about_y @ about_z, dtype=np.float64)
