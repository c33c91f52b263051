"""Poses of the ego from its clouds alone, for recordings without ACTION files: KISS-ICP (Vizzo et al., 2023)."""

from importlib.metadata import version
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from lib.common.errors import ParamsError
from lib.geometry.frame import Frame
from lib.geometry.rigid import Matrix, apply, vehicle_SE3_sensor

VOXEL_M: Final = 0.5
RANGE_M: Final = (2.0, 100.0)
CONVERGED: Final = 1e-3
"""Smaller steps than this [m, rad] end a registration. A tenth of it gives the same poses in twice the time."""
INITIAL_ERROR_M: Final = 2.0
MIN_MOTION_M: Final = 0.1
MAX_GAP_S: Final = 1.0
"""After a longer gap, the motion within it is not known, and no later frame has a pose."""
STEEP_DEG: Final = -8.0
MIN_STEEP_POINTS: Final = 50
GROUND_M: Final = 0.4
"""Up to this height above the ground, points are left out: its rings move with the LiDAR, and pull the pose back."""


def require_odometry() -> str:
    """The version of kiss-icp; raises ParamsError if it is not installed."""
    try:
        import kiss_icp.kiss_icp  # noqa: F401 (only this choice needs it)
    except ImportError:
        raise ParamsError(
            "preprocess.poses: odometry needs kiss-icp: `pip install kiss-icp`, or set preprocess.poses=action"
        ) from None
    return version("kiss-icp")


class Odometry:
    """Poses of one recording's frames, in the order of their time; the same for the same clouds on any machine load.

    The world is the vehicle's frame at the first cloud. Ticks that are missing are bridged by constant speed, up to
    MAX_GAP_S.
    """

    def __init__(self) -> None:
        self._filter = _filter()
        self._time_s: float | None = None
        self._step_s: float | None = None
        self._started, self._lost = False, False

    def pose(self, frame: Frame) -> Matrix | None:
        """The pose world_SE3_ego (4, 4) [m] of the next frame; None after a gap that is too long, or back in time."""
        passed_s = None if frame.time_s is None or self._time_s is None else frame.time_s - self._time_s
        self._lost |= passed_s is not None and not 0 < passed_s <= MAX_GAP_S
        if self._lost:
            return None
        if passed_s is not None and self._step_s is not None:
            self._filter.last_delta = _scaled(self._filter.last_delta, passed_s / self._step_s)
        points_m = above_ground(frame)
        if len(points_m):
            self._filter.register_frame(points_m, np.empty(0))
            self._started = True
        self._time_s, self._step_s = frame.time_s, passed_s
        return np.array(self._filter.last_pose) if self._started else None


def above_ground(frame: Frame) -> npt.NDArray[np.float64]:
    """Points (N, 3) float64 x, y, z [m, vehicle frame] of a frame that rise above the ground, found without labels."""
    lidar = frame.lidars[0]
    vehicle_SE3_points = vehicle_SE3_sensor(lidar.location, lidar.rotation) if len(frame.lidars) == 1 else np.eye(4)
    points_m = apply(vehicle_SE3_points, frame.points[:, :3])
    x_m, y_m, z_m = np.ascontiguousarray(points_m.T) - np.array(lidar.location)[:, None] * [[1], [-1], [1]]
    steep = z_m < np.tan(np.deg2rad(STEEP_DEG)) * np.hypot(x_m, y_m)
    if np.count_nonzero(steep) < MIN_STEEP_POINTS:
        return points_m
    return np.asarray(points_m[z_m > np.median(z_m[steep]) + GROUND_M], dtype=np.float64)


def _filter() -> Any:
    from kiss_icp.config import KISSConfig
    from kiss_icp.kiss_icp import KissICP

    nearest_m, farthest_m = RANGE_M
    # All of it, since what is left out may come from variables of the environment.
    return KissICP(
        KISSConfig(
            out_dir="",
            data={"max_range": farthest_m, "min_range": nearest_m, "deskew": False},
            registration={"max_num_iterations": 500, "convergence_criterion": CONVERGED, "max_num_threads": 1},
            mapping={"voxel_size": VOXEL_M, "max_points_per_voxel": 20},
            adaptive_threshold={
                "fixed_threshold": None,
                "initial_threshold": INITIAL_ERROR_M,
                "min_motion_th": MIN_MOTION_M,
            },
        )
    )


def _scaled(motion: Matrix, factor: float) -> Matrix:
    """The motion (4, 4) of `factor` times as long, at the same speed and turn rate."""
    turn = Rotation.from_matrix(motion[:3, :3])
    scaled = np.eye(4)
    scaled[:3, :3] = (turn**factor).as_matrix()
    scaled[:3, 3] = motion[:3, 3] * factor
    return scaled
