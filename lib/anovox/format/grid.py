"""AnoVox's voxel grid from a tick's LiDARs and depth cameras."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format.recording import SensorPose
from lib.geometry.camera import Camera
from lib.geometry.voxels import VOXEL_SIZE_M, LabelledCloud, voxelize

DEPTH_CLOUD_RANGE_M: Final = 100.0

SemanticLidar = tuple[SensorPose, npt.NDArray[np.float64]]
DepthCamera = tuple[SensorPose, Camera, npt.NDArray[np.float64], npt.NDArray[np.uint8]]


def voxel_grid(
    lidars: Sequence[SemanticLidar], cameras: Iterable[DepthCamera], voxel_size_m: float = VOXEL_SIZE_M
) -> npt.NDArray[np.uint16]:
    """Voxel grid (M, 4) uint16 of one tick, equal to AnoVox's.

    `lidars`: pose and SEMANTIC-LIDAR (N, 4) of each pose; `cameras`: pose, intrinsics, depth (H, W) [m] and class ids
    (H, W). A camera is ignored if a LiDAR has the same pose.
    """
    covered = {pose for pose, _ in lidars}
    clouds = [LabelledCloud(c[:, :3], c[:, 3].astype(np.uint8), *pose) for pose, c in lidars]
    clouds += [depth_cloud(*camera) for camera in cameras if camera[0] not in covered]
    return voxelize(clouds, voxel_size_m)


def depth_cloud(
    pose: SensorPose, camera: Camera, depth_m: npt.NDArray[np.float64], class_ids: npt.NDArray[np.uint8]
) -> LabelledCloud:
    """Cloud of a depth camera up to 100 m, with rays through the pixels' upper left corners, as in AnoVox."""
    column, row = np.meshgrid(np.arange(camera.width_px), np.arange(camera.height_px))
    y_m = -(column - camera.cx_px) * depth_m / camera.fx_px
    z_m = -(row - camera.cy_px) * depth_m / camera.fy_px
    points_m = np.stack([depth_m, y_m, z_m], axis=-1).reshape(-1, 3)
    near = np.linalg.norm(points_m, axis=1) <= DEPTH_CLOUD_RANGE_M
    return LabelledCloud(points_m[near], class_ids.reshape(-1)[near], *pose)
