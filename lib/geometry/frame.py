"""One camera and LiDAR sample with its exact labels."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera


class ScenarioType(StrEnum):
    """AnoVox's scenario types, by their name in the scenario configuration files; UNLABELLED: of another format."""

    NORMALITY = "NORMALITY"
    STATIC = "STATIC"
    DYNAMIC = "SUDDEN_BREAKING_OF_VEHICLE_AHEAD"
    UNLABELLED = "UNLABELLED"


@dataclass(frozen=True)
class Lidar:
    """The LiDAR's scan pattern: rays at `channels` elevations, evenly from lower_fov_deg to upper_fov_deg.

    `elevations_deg`: the elevation of each channel, the highest first, where they are not evenly spaced.
    `location` [m] and `rotation` (roll, pitch, yaw) [degrees] place it on the vehicle as in sensor_setup.json (CARLA's
    left-handed frame); AnoVox's voxel grid needs them.
    """

    channels: int
    upper_fov_deg: float
    lower_fov_deg: float
    range_m: float
    location: tuple[float, float, float] = (0.0, 0.0, 1.8)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    elevations_deg: tuple[float, ...] = ()


@dataclass(frozen=True)
class Anomaly:
    """The anomalous object as an ANOMALY file describes it. It may exist without being in view of any sensor."""

    size: str | None = None
    blueprint: str | None = None
    kind: str | None = None
    """Simulator only: how it differs from normal objects: by `geometry`, `appearance` or `both`."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One camera and LiDAR sample. Axes are x forward, y left, z up; lengths in metres; class 255 = unknown.

    image (H, W, 3) uint8 RGB; points (N, 4) float32 x, y, z, intensity in the LiDAR's frame, or in the vehicle's if
    several LiDARs are merged; point_class (N,) uint8; pixel_class (H, W) uint8; depth_m (H, W) float32 planar,
    sky = 1000, nan = unknown; calibration from the points' frame; voxels (M, 4) uint16 ix, iy, iz, class id of
    the full clouds of all the vehicle's sensors (AnoVox's grid); world_SE3_ego (4, 4) float64, None if unknown.
    `cloud_sizes`: number of points per LiDAR if there are several; their clouds are concatenated in the order of
    `lidars`. `camera_name` identifies one of several cameras; it is empty if the reader was told which camera to use.
    """

    scenario: str
    frame_id: int
    scenario_type: ScenarioType
    image: npt.NDArray[np.uint8]
    points: npt.NDArray[np.float32]
    point_class: npt.NDArray[np.uint8]
    pixel_class: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32]
    calibration: Calibration
    lidars: tuple[Lidar, ...]
    voxels: npt.NDArray[np.uint16]
    world_SE3_ego: npt.NDArray[np.float64] | None
    speed_mps: float | None
    time_s: float | None
    anomaly: Anomaly | None
    camera_name: str = ""
    cloud_sizes: tuple[int, ...] = ()

    @property
    def camera(self) -> Camera:
        """The camera's intrinsics."""
        return self.calibration.camera

    def __post_init__(self) -> None:
        height, width = self.camera.height_px, self.camera.width_px
        assert self.image.shape == (height, width, 3) and self.image.dtype == np.uint8
        assert self.points.ndim == 2 and self.points.shape[1] == 4 and self.points.dtype == np.float32
        assert self.point_class.shape == (len(self.points),) and self.point_class.dtype == np.uint8
        assert self.pixel_class.shape == (height, width) and self.pixel_class.dtype == np.uint8
        assert self.depth_m.shape == (height, width) and self.depth_m.dtype == np.float32
        assert self.voxels.ndim == 2 and self.voxels.shape[1] == 4 and self.voxels.dtype == np.uint16
        sizes = self.cloud_sizes
        assert len(self.lidars) == 1 or (len(sizes), sum(sizes)) == (len(self.lidars), len(self.points))
