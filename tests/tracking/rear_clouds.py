"""Clouds of a flat road and the leaning rear of one vehicle ahead, cast ray by ray; and shards of them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from lib.common.labels import ROAD
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Frame, Lidar, ScenarioType
from lib.geometry.rigid import yaw_transform
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.shard_writer import write_shard
from lib.tracking.track_params import TrackParams

PARAMS = TrackParams(seconds=1.0, usual_acceleration_mps2=3.0, lane_half_width_m=1.2, max_range_m=60.0)
CAMERA = Camera.from_fov(16, 16, 90.0)
STEP_S = 0.1
LEAN = 0.4
"""The rear leans forward so much per metre of height."""


def rear_cloud(
    range_m: float, seed: int, *, beside_m: float = 0.0, channels: int = 64, columns: int = 1562, lidar_x_m: float = 0.0
) -> npt.NDArray[np.float32]:
    """Points (N, 4) [m, vehicle frame] of the front sector; `range_m`: x of the rear at its foot; noise 0.1 m."""
    elevation = np.deg2rad(np.linspace(-25, 15, channels))
    azimuth = np.deg2rad(np.arange(-25, 25, 360 / columns))
    elevation, azimuth = (grid.ravel() for grid in np.meshgrid(elevation, azimuth))
    ray = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    origin = np.array([[lidar_x_m], [0.0], [1.8]])
    with np.errstate(divide="ignore"):
        ground_m = np.where(ray[2] < 0, -1.8 / ray[2], np.inf)
    rear_m = (range_m - lidar_x_m + LEAN * 1.5) / (ray[0] - LEAN * ray[2])
    y, z = (origin + rear_m * ray)[1:]
    hit = (rear_m > 0) & (np.abs(y - beside_m) < 0.9) & (z > 0.3) & (z < 1.5)
    distance_m = np.minimum(ground_m, np.where(hit, rear_m, np.inf))
    seen = distance_m < 80
    noise_m = np.random.default_rng(seed).normal(0, 0.1, len(distance_m))
    points_m = origin + ray[:, seen] * (distance_m + noise_m)[seen]
    return np.column_stack([*points_m, np.full(seen.sum(), 0.4)]).astype(np.float32)


def braked_way_m(speed_mps: float, deceleration_mps2: float, from_s: float, frames: int) -> npt.NDArray[np.floating]:
    """The way (frames,) of a vehicle that brakes from a moment on until it stands."""
    time_s = np.arange(frames) * STEP_S
    braking_s = np.clip(time_s - from_s, 0, speed_mps / max(deceleration_mps2, 1e-9))
    way_m = speed_mps * np.minimum(time_s, from_s) + speed_mps * braking_s - deceleration_mps2 * braking_s**2 / 2
    return np.asarray(way_m)


def drive_shard(
    path: Path,
    range_m: npt.NDArray[np.floating],
    ego_m: npt.NDArray[np.floating],
    *,
    ticks: list[int] | None = None,
    scenario_type: ScenarioType = ScenarioType.DYNAMIC,
    lidar_x_m: float = 0.0,
    posed: bool = True,
    seed: int = 0,
    changed_from: int | None = None,
) -> Shard:
    """Write and open a shard of a drive: the rear's range, the ego's way, and the ticks of its frames.

    `changed_from`: frames from there on are of another drive.
    """
    lidar = Lidar(64, 15.0, -25.0, 100.0, location=(lidar_x_m, 0.0, 1.8))
    frames = []
    for index, (rear_m, way_m) in enumerate(zip(range_m.tolist(), ego_m.tolist(), strict=True)):
        other = 0.0 if changed_from is None or index < changed_from else 3.0
        points = rear_cloud(rear_m + other, 1000 * seed + index, lidar_x_m=lidar_x_m, channels=32, columns=1024)
        points[:, :3] -= np.array([lidar_x_m, 0.0, 1.8], dtype=np.float32)  # in the LiDAR's frame
        frames.append(
            Frame(
                scenario=path.stem,
                frame_id=100 + index,
                scenario_type=scenario_type,
                image=np.zeros((16, 16, 3), dtype=np.uint8),
                points=points,
                point_class=np.full(len(points), ROAD, dtype=np.uint8),
                pixel_class=np.full((16, 16), ROAD, dtype=np.uint8),
                depth_m=np.ones((16, 16), dtype=np.float32),
                calibration=Calibration(CAMERA, np.eye(4)),
                lidars=(lidar,),
                voxels=np.array([[500, 500, 28, ROAD]], dtype=np.uint16),
                world_SE3_ego=yaw_transform(0.3, (way_m * np.cos(0.3), way_m * np.sin(0.3), 0.0)) if posed else None,
                speed_mps=None,
                time_s=(ticks[index] if ticks else index) * STEP_S,
                anomaly=None,
            )
        )
    write_shard(path, frames, max(len(frame.points) for frame in frames))
    return read_shard(path)
