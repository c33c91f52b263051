"""Recordings of AnoVox's sensors, in the terms of its files: input of the writers, output of the readers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from lib.geometry.camera import Camera
from lib.geometry.frame import ScenarioType

CAMERA_SENSORS = ("RGB-CAM", "DEPTH_CAM", "SEMANTIC-CAM", "INSTANCE-CAM")
LIDAR_SENSORS = ("LIDAR", "SEMANTIC-LIDAR")


class SensorPose(NamedTuple):
    """A pose on the vehicle: location [m] and (roll, pitch, yaw) [degrees], in CARLA's left-handed vehicle frame."""

    location: tuple[float, float, float] = (0, 0, 1.8)
    rotation: tuple[float, float, float] = (0, 0, 0)


@dataclass(frozen=True)
class CameraArgs:
    """`args` of a camera in sensor_setup.json."""

    image_height: int = 512
    image_width: int = 768
    camera_fov: float = 90.0

    def intrinsics(self) -> Camera:
        """The camera as a pinhole."""
        return Camera.from_fov(self.image_width, self.image_height, self.camera_fov)


@dataclass(frozen=True)
class LidarArgs:
    """`args` of a LiDAR in sensor_setup.json."""

    range: float = 100.0
    upper_fov: float = 15.0
    lower_fov: float = -25.0
    channels: int = 64
    rotation_frequency: float = 200.0
    points_per_second: int = 1_000_000
    noise_stddev: float = 0.1
    dropoff_rate: float = 0.0
    dropoff_intensity_limit: float = 0.0
    dropoff_zero_intensity: float = 0.0


@dataclass(frozen=True)
class SensorSet:
    """Poses of the cameras and LiDARs of a vehicle; the default is mono: one pose with both."""

    cameras: tuple[SensorPose, ...] = (SensorPose(),)
    lidars: tuple[SensorPose, ...] = (SensorPose(),)
    camera_args: CameraArgs = CameraArgs()
    lidar_args: LidarArgs = LidarArgs()

    @property
    def poses(self) -> tuple[SensorPose, ...]:
        """All poses in AnoVox's order, LiDARs first; ACTION files hold the matrices of the last one."""
        return tuple(dict.fromkeys((*self.lidars, *self.cameras)))


SensorSetName = Literal["mono", "stereo", "stereo_one_lidar", "multi", "surround"]

_AHEAD = SensorPose((0, 0, 1.8), (0, 0, 0))
_LEFT = SensorPose((0, -1, 1.8), (0, 0, -15))
_RIGHT = SensorPose((0, 1, 1.8), (0, 0, 15))
_MULTI = (
    _AHEAD,
    SensorPose((1.5, 0, 1.8), (0, 0, 0)),
    SensorPose((1, 0.9, 1.8), (0, 0, 15)),
    SensorPose((1, -0.9, 1.8), (0, 0, -15)),
    SensorPose((-1.5, 0, 1), (0, 0, 180)),
    SensorPose((-1.5, 0.9, 1), (0, 0, 170)),
    SensorPose((-1.5, -0.9, 1), (0, 0, -170)),
)
_SURROUND = tuple(SensorPose((0, 0, 1.8), (0, 0, yaw)) for yaw in (0, 40, 80, 120, 160, -40, -80, -120, -160, 180))

SENSOR_POSES: Final[Mapping[SensorSetName, tuple[tuple[SensorPose, ...], tuple[SensorPose, ...]]]] = {
    "mono": ((_AHEAD,), (_AHEAD,)),
    "stereo": ((_AHEAD, _LEFT, _RIGHT), (_AHEAD, _LEFT, _RIGHT)),
    "stereo_one_lidar": ((_LEFT, _RIGHT), (_AHEAD,)),
    "multi": (_MULTI, _MULTI),
    "surround": (_SURROUND, _SURROUND),
}
"""The poses of the cameras and of the LiDARs of AnoVox's downloads.

Source: EgoVehicleSetup.py of its generator. Yaw is clockwise seen from above; y is to the right.
"""


@dataclass(frozen=True, eq=False)
class CameraRecording:
    """One camera pose at one tick. rgb (H, W, 3) uint8; depth_m (H, W) float64 planar, sky 1000;
    semantic (H, W) uint8 class ids; instance (H, W, 3) uint8 (R class id, G and B instance id).
    """

    rgb: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float64]
    semantic: npt.NDArray[np.uint8]
    instance: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LidarRecording:
    """One LiDAR pose at one tick, sensor frame (x forward, y left, z up) [m].

    lidar (N, 4) float32 x, y, z (with range noise), intensity in [0, 1];
    semantic_lidar (N, 4) float64 x, y, z (without noise), class id; rows match.
    """

    lidar: npt.NDArray[np.float32]
    semantic_lidar: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Recording:
    """One tick: a recording per camera and LiDAR pose, in the SensorSet's order.

    `action` and `anomaly` (None in normality) are the `key ; value` lines of ACTION and ANOMALY files, in order.
    route_map (192, 192) uint8: the route from above, 0 or 255. The writer computes the voxel grid.
    """

    frame_id: int
    cameras: tuple[CameraRecording, ...]
    lidars: tuple[LidarRecording, ...]
    action: Mapping[str, str] = field(default_factory=dict)
    anomaly: Mapping[str, str] | None = None
    route_map: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class ScenarioConfig:
    """A scenario's entry in Scenario_Configuration_Files; `name` is its folder, Scenario_<uuid>.

    `anomaly_kind`: how the anomaly differs from normal objects; known for the simulator only (simulator.json).
    """

    name: str
    type: ScenarioType
    town: str
    weather_preset: str
    anomaly_blueprint: str | None = None
    anomaly_kind: str | None = None
