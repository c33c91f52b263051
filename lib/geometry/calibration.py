"""The calibration of a camera and a LiDAR: where in the image a point of the cloud is seen."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.geometry.camera import Array, Camera
from lib.geometry.rigid import Matrix, apply, apply_to_columns


@dataclass(frozen=True, eq=False)
class Calibration:
    """A camera's intrinsics, and its pose: `camera_SE3_lidar` (4, 4) float64 from the frame of a cloud's points.

    The camera's axes are x forward, y left, z up; lengths in metres.
    """

    camera: Camera
    camera_SE3_lidar: Matrix

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Calibration):
            return NotImplemented
        return self.camera == other.camera and np.array_equal(self.camera_SE3_lidar, other.camera_SE3_lidar)

    def project(self, points_m: Array) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
        """Project points (N, 3 or more) [m, frame of the cloud] to u, v (N,) [px], visible (N,): see Camera.project."""
        return self.camera.project(apply(self.camera_SE3_lidar, np.asarray(points_m)[:, :3]))

    def pixels_of(
        self, columns_m: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """Indices (V,) of the points (3, N) [m, frame of the cloud] inside the image, row and column of their pixels,
        and depth [m].
        """
        columns_camera_m = apply_to_columns(self.camera_SE3_lidar, columns_m)
        visible, row, column = self.camera.pixels_of(columns_camera_m)
        return visible, row, column, columns_camera_m[0, visible]

    def resized(self, width_px: int, height_px: int) -> "Calibration":
        """The calibration of the same camera at another resolution."""
        return Calibration(self.camera.resized(width_px, height_px), self.camera_SE3_lidar)
