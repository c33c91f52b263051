"""Merging the clouds of several LiDARs into one array, and splitting it again."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lib.geometry.frame import Lidar
from lib.geometry.rigid import apply, apply_to_columns, invert, vehicle_SE3_sensor
from lib.geometry.voxels import Vector

Cloud = npt.NDArray[np.floating]
Pose = tuple[Vector, Vector]


def merge_clouds(clouds: Sequence[Cloud], poses: Sequence[Pose]) -> npt.NDArray[np.float32]:
    """Concatenate clouds (N, 4), each in its LiDAR's frame [m], to (sum N, 4) float32 in the vehicle's frame.

    `poses`: location and rotation of each LiDAR as in sensor_setup.json.
    """
    placed = [apply(vehicle_SE3_sensor(*pose), cloud[:, :3]) for pose, cloud in zip(poses, clouds, strict=True)]
    xyz, intensity = np.concatenate(placed), np.concatenate([cloud[:, 3] for cloud in clouds])
    return np.column_stack([xyz, intensity]).astype(np.float32)


def in_vehicle_frame(points_m: Cloud, lidars: Sequence[Lidar]) -> npt.NDArray[np.float64]:
    """Points (N, 3 or more) [m] of a frame or shard with these LiDARs, in the vehicle's frame: (N, 3) float64 [m].

    Those of a single LiDAR are in its own frame; merged clouds are in the vehicle's already.
    """
    columns_m = np.asarray(points_m[:, :3].T, dtype=np.float64)
    if len(lidars) == 1:
        columns_m = apply_to_columns(vehicle_SE3_sensor(lidars[0].location, lidars[0].rotation), columns_m)
    return columns_m.T


def split_clouds(points: Cloud, sizes: Sequence[int] | npt.NDArray[np.integer], poses: Sequence[Pose]) -> list[Cloud]:
    """Undo `merge_clouds`: split points (sum N, 4) into one cloud (N, 4) per LiDAR, each in its own frame [m].

    The points of a single LiDAR are already in its frame and are returned unchanged.
    """
    if len(poses) == 1:
        return [points]
    clouds = np.split(points.astype(np.float64), np.cumsum(sizes)[:-1])
    inverse = [invert(vehicle_SE3_sensor(*pose)) for pose in poses]
    return [np.column_stack([apply(t, c[:, :3]), c[:, 3]]) for t, c in zip(inverse, clouds, strict=True)]
