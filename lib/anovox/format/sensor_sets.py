"""The sensor sets of AnoVox's downloads: the poses of their cameras and LiDARs.

Source: EgoVehicleSetup.py of AnoVox's generator. `rotation` is (roll, pitch, yaw) [degrees], yaw clockwise seen from
above; `location` [m] has y to the right.
"""

from collections.abc import Mapping
from typing import Final, Literal

from lib.anovox.format.recording import SensorPose

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
"""The poses of the cameras and of the LiDARs."""
