"""Class ids for the points of LIDAR, which carries none, from SEMANTIC-LIDAR or the voxel grid.

SEMANTIC-LIDAR is a second sensor without noise. LIDAR's noise lies along the ray, so a point and its twin share their
direction; their rows usually match, but nothing promises it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from lib.anovox.recording import SensorPose
from lib.geometry.voxels import points_to_voxels, voxel_keys
from lib.labels import UNKNOWN

ROW_ANGLE_RAD: Final = float(np.deg2rad(0.02))
NEIGHBOUR_ANGLE_RAD: Final = float(np.deg2rad(0.25))
NOISE_SIGMAS: Final = 6.0
RANGE_SLACK_M: Final = 0.05

Cloud = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class PointLabels:
    """class_ids (N,) uint8, 255 = none found; how many points found theirs by row, by direction and by voxel."""

    class_ids: npt.NDArray[np.uint8]
    by_row: int
    by_direction: int
    by_voxel: int


def transfer_labels(
    points: npt.NDArray[np.float32],
    semantic_points: npt.NDArray[np.float64] | None,
    voxels: npt.NDArray[np.uint16] | None,
    pose: SensorPose,
    noise_stddev_m: float,
) -> PointLabels:
    """Label the points (N, 4) of a LIDAR cloud.

    In this order: the same row of `semantic_points` (K, 4), where K = N and direction and range agree; the point of
    `semantic_points` nearest in direction, where direction and range agree; the cell of `voxels` (M, 4) that holds
    the point; else 255. Either source may be None. `pose` is the LiDAR's, for the voxel grid.
    """
    class_ids = np.full(len(points), UNKNOWN, dtype=np.uint8)
    open_rows = np.arange(len(points))
    by_row = by_direction = by_voxel = 0
    tolerance_m = NOISE_SIGMAS * noise_stddev_m + RANGE_SLACK_M
    if semantic_points is not None:
        semantic_ids = semantic_points[:, 3].astype(np.uint8)
        if len(semantic_points) == len(points):
            twins = _same_return(points, semantic_points, ROW_ANGLE_RAD, tolerance_m)
            class_ids[twins] = semantic_ids[twins]
            open_rows, by_row = np.flatnonzero(~twins), int(twins.sum())
        if len(open_rows):
            nearest = cKDTree(_directions(semantic_points)).query(_directions(points[open_rows]))[1]
            twins = _same_return(points[open_rows], semantic_points[nearest], NEIGHBOUR_ANGLE_RAD, tolerance_m)
            class_ids[open_rows[twins]] = semantic_ids[nearest[twins]]
            open_rows, by_direction = open_rows[~twins], int(twins.sum())
    if voxels is not None and len(voxels) and len(open_rows):
        found = _voxel_classes(points[open_rows], voxels, pose)
        class_ids[open_rows] = found
        by_voxel = int((found != UNKNOWN).sum())
    return PointLabels(class_ids, by_row, by_direction, by_voxel)


def _same_return(points: Cloud, others: Cloud, max_angle_rad: float, max_range_m: float) -> npt.NDArray[np.bool_]:
    """Say row by row whether two clouds saw the same return: nearly the same direction, ranges within the noise."""
    chord = np.linalg.norm(_directions(points) - _directions(others), axis=1)
    range_m = np.abs(np.linalg.norm(points[:, :3], axis=1) - np.linalg.norm(others[:, :3], axis=1))
    return np.asarray((chord <= max_angle_rad) & (range_m <= max_range_m), dtype=np.bool_)


def _directions(points: Cloud) -> npt.NDArray[np.float64]:
    xyz = np.asarray(points[:, :3], dtype=np.float64)
    return np.asarray(xyz / np.maximum(np.linalg.norm(xyz, axis=1, keepdims=True), 1e-9), dtype=np.float64)


def _voxel_classes(points: Cloud, voxels: npt.NDArray[np.uint16], pose: SensorPose) -> npt.NDArray[np.uint8]:
    keys = voxel_keys(voxels)
    order = np.argsort(keys)
    wanted = voxel_keys(points_to_voxels(points, pose.location, pose.rotation))
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    found = keys[order][place] == wanted
    return np.where(found, voxels[order[place], 3], UNKNOWN).astype(np.uint8)
