"""The pinhole camera, in AnoVox's frame: x forward, y left, z up."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics. Pixel j covers [j, j + 1): a point projected to u belongs to pixel floor(u)."""

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    @classmethod
    def from_fov(cls, width_px: int, height_px: int, horizontal_fov_deg: float) -> "Camera":
        """Camera with square pixels and a centred principal point, as CARLA's `camera_fov` defines it."""
        focal_px = width_px / (2.0 * float(np.tan(np.deg2rad(horizontal_fov_deg) / 2.0)))
        return cls(width_px, height_px, focal_px, focal_px, width_px / 2.0, height_px / 2.0)

    def resized(self, width_px: int, height_px: int) -> "Camera":
        """The camera with the same field of view at another resolution."""
        x, y = width_px / self.width_px, height_px / self.height_px
        return Camera(width_px, height_px, self.fx_px * x, self.fy_px * y, self.cx_px * x, self.cy_px * y)

    def project(self, points_camera_m: Array) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
        """Project points (N, 3) [m, camera frame] to u, v (N,) float64 [px] and to visible (N,) bool, inside the image.

        Points behind the camera have u = v = nan and are not visible.
        """
        x, y, z = np.asarray(points_camera_m, dtype=np.float64)[:, :3].T
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.where(x > 0, self.cx_px - self.fx_px * y / x, np.nan)
            v = np.where(x > 0, self.cy_px - self.fy_px * z / x, np.nan)
        with np.errstate(invalid="ignore"):
            visible = (u >= 0) & (u < self.width_px) & (v >= 0) & (v < self.height_px)
        return u, v, visible

    def pixels_of(
        self, columns_camera_m: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Indices (V,) of the points (3, N) [m, camera frame] inside the image, and the row and column of their pixels.

        The same pixels as from `project`, but faster: rows are computed only for points within the image's columns.
        """
        x, y, z = columns_camera_m
        ahead = np.flatnonzero(x > 0)
        x_ahead = x[ahead]
        with np.errstate(over="ignore"):
            u = self.cx_px - self.fx_px * y[ahead] / x_ahead
            wide = np.flatnonzero((u >= 0) & (u < self.width_px))
            v = self.cy_px - self.fy_px * z[ahead[wide]] / x_ahead[wide]
        high = np.flatnonzero((v >= 0) & (v < self.height_px))
        return ahead[wide[high]], v[high].astype(np.intp), u[wide[high]].astype(np.intp)

    def unproject(self, depth_m: Array) -> Array:
        """Points (H, W, 3) float64 [m, camera frame] at the pixel centres of a planar depth image (H, W) [m]."""
        j, i = np.meshgrid(np.arange(self.width_px) + 0.5, np.arange(self.height_px) + 0.5)
        y, z = (self.cx_px - j) / self.fx_px, (self.cy_px - i) / self.fy_px
        depth = np.asarray(depth_m, dtype=np.float64)
        return np.stack([depth, y * depth, z * depth], axis=-1)
