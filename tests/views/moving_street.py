"""A street with boxes that stand or move, seen from an ego that drives: cast ray by ray, exact, into real shards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lib.common.labels import ROAD, SKY
from lib.common.ticks import HISTORY_TICKS, TICKS_PER_SECOND
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Frame, Lidar, ScenarioType
from lib.geometry.merged import merge_clouds
from lib.geometry.rigid import Matrix, invert, vehicle_SE3_sensor, yaw_transform
from lib.loading.dataset import FrameRef, ShardDataset
from lib.loading.shard_windows import ShardWindows
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.shard_writer import padded_length, write_shard
from lib.shards.tracks import Tracks
from lib.views.frame_batch import FrameBatch, Past
from lib.views.range_view import RangeGrid

Values = npt.NDArray[np.float64]
Way = Callable[[float], float]

COLUMNS = 512
GRID = RangeGrid(rows=32, columns=COLUMNS, visible_columns=COLUMNS, upper_fov_deg=8.0, lower_fov_deg=-16.0)
LIDAR = Lidar(32, 8.0, -16.0, 100.0)
RANGE_M = 80.0


def standing(time_s: float) -> float:
    """The way of what does not move."""
    return 0.0


def driving(speed_mps: float, acceleration_mps2: float = 0.0) -> Way:
    """The way [m] until a time [s, 0 = now] of what moves at a speed now."""
    return lambda time_s: speed_mps * time_s + acceleration_mps2 * time_s**2 / 2


@dataclass(frozen=True)
class Box:
    """A box, low and high corners [m, world, now], that moves along the world's x by `way`."""

    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    class_id: int
    color: tuple[int, int, int] = (90, 90, 90)
    way: Way = standing


@dataclass(frozen=True)
class Rig:
    """The sensors: LiDARs, and a camera's location [m] and rotation [degrees] as in sensor_setup.json."""

    lidars: tuple[Lidar, ...] = (LIDAR,)
    camera: Camera = field(default_factory=lambda: Camera.from_fov(96, 64, 90.0))
    location: tuple[float, float, float] = (0.0, 0.0, 1.8)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Street:
    """Boxes on a ground of the height bend_1pm x^2 [m]. Now, the vehicle is at the world's origin, level, along x."""

    boxes: tuple[Box, ...] = ()
    bend_1pm: float = 0.0


def straight(speed_mps: float, yaw_rate_radps: float = 0.0) -> Callable[[float], Matrix]:
    """The ego's poses by time [s]: it is at the origin now; with a yaw rate it turns on a circle."""

    def pose(time_s: float) -> Matrix:
        yaw = yaw_rate_radps * time_s
        if yaw_rate_radps == 0:
            return yaw_transform(0.0, (speed_mps * time_s, 0.0, 0.0))
        radius_m = speed_mps / yaw_rate_radps
        return yaw_transform(yaw, (radius_m * float(np.sin(yaw)), radius_m * (1 - float(np.cos(yaw))), 0.0))

    return pose


def cast(street: Street, origin_m: Values, rays: Values, time_s: float) -> tuple[Values, npt.NDArray[np.int64]]:
    """How far along rays (N, 3) [world] from a place (3,) something is met, in the rays' lengths; and which box.

    Boxes are numbered from 0; -1: the ground, -2: the sky.
    """
    bend, (x, _, z) = street.bend_1pm, origin_m.tolist()
    quadratic, linear, constant = -bend * rays[:, 0] ** 2, rays[:, 2] - 2 * bend * x * rays[:, 0], z - bend * x * x
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(linear**2 - 4 * quadratic * constant)
        met = 2 * constant / np.stack([-linear + root, -linear - root])
        far = np.where(met > 0, met, np.inf).min(axis=0)
        number = np.where(np.isfinite(far), -1, -2)
        for index, box in enumerate(street.boxes):
            shift = np.array([box.way(time_s), 0.0, 0.0])
            ends = np.stack([(np.array(corner) + shift - origin_m) / rays for corner in (box.low_m, box.high_m)])
            enter, leave = ends.min(axis=0).max(axis=1), ends.max(axis=0).min(axis=1)
            hit = (enter > 0) & (enter < leave) & (enter < far)
            far, number = np.where(hit, enter, far), np.where(hit, index, number)
    return far, number


def lidar_rays(lidar: Lidar) -> Values:
    """Unit vectors (N, 3) of a turn, in the LiDAR's frame: through the middles of GRID's columns."""
    elevation = np.deg2rad(np.linspace(lidar.upper_fov_deg, lidar.lower_fov_deg, lidar.channels))
    azimuth = (0.5 - (np.arange(COLUMNS) + 0.5) / COLUMNS) * 2 * np.pi
    elevation, azimuth = (each.ravel() for each in np.meshgrid(elevation, azimuth, indexing="ij"))
    level = np.cos(elevation)
    return np.column_stack([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])


def _classes(street: Street, number: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    table = np.array([*(box.class_id for box in street.boxes), SKY, ROAD], dtype=np.uint8)
    return table[number]


def street_frame(
    street: Street,
    world_SE3_ego: Matrix,
    time_s: float,
    rig: Rig,
    *,
    tick: int,
    scenario: str = "Scenario_1",
    scenario_type: ScenarioType = ScenarioType.NORMALITY,
    base: Matrix | None = None,
    noise_m: float = 0.0,
) -> Frame:
    """One frame. `base`: transform of the poses that are stored, as no world lies where the ego is."""
    generator = np.random.default_rng([tick, *scenario.encode()])
    clouds, classes = [], []
    for lidar in rig.lidars:
        world_SE3_lidar = world_SE3_ego @ vehicle_SE3_sensor(lidar.location, lidar.rotation)
        rays = lidar_rays(lidar)
        far_m, number = cast(street, world_SE3_lidar[:3, 3], rays @ world_SE3_lidar[:3, :3].T, time_s)
        seen = far_m < RANGE_M
        noisy_m = far_m[seen] + noise_m * generator.normal(size=int(seen.sum()))
        clouds.append(np.column_stack([rays[seen] * noisy_m[:, None], np.full(seen.sum(), 0.4)]).astype(np.float32))
        classes.append(_classes(street, number[seen]))
    several = len(rig.lidars) > 1
    poses = [(lidar.location, lidar.rotation) for lidar in rig.lidars]
    points = merge_clouds(clouds, poses) if several else clouds[0]
    vehicle_SE3_points = np.eye(4) if several else vehicle_SE3_sensor(*poses[0])
    vehicle_SE3_camera = vehicle_SE3_sensor(rig.location, rig.rotation)
    camera = rig.camera
    height, width = camera.height_px, camera.width_px
    through_pixels = camera.unproject(np.ones((height, width))).reshape(-1, 3)
    world_SE3_camera = world_SE3_ego @ vehicle_SE3_camera
    rotated = through_pixels @ world_SE3_camera[:3, :3].T
    depth_m, number = cast(street, world_SE3_camera[:3, 3], rotated, time_s)
    colors = np.array([*(box.color for box in street.boxes), (150, 170, 220), (70, 70, 70)], dtype=np.uint8)
    return Frame(
        scenario=scenario,
        frame_id=100 + tick,
        scenario_type=scenario_type,
        image=colors[number].reshape(height, width, 3),
        points=points,
        point_class=np.concatenate(classes),
        pixel_class=_classes(street, number).reshape(height, width),
        depth_m=np.where(np.isfinite(depth_m), np.minimum(depth_m, 1000.0), 1000.0)
        .astype(np.float32)
        .reshape(height, width),
        calibration=Calibration(camera, invert(vehicle_SE3_camera) @ vehicle_SE3_points),
        lidars=rig.lidars,
        voxels=np.array([[500, 500, 28, ROAD]], dtype=np.uint16),
        world_SE3_ego=world_SE3_ego if base is None else base @ world_SE3_ego,
        speed_mps=None,
        time_s=40.0 + tick / TICKS_PER_SECOND,
        anomaly=None,
        cloud_sizes=tuple(len(cloud) for cloud in clouds) if several else (),
    )


def street_shard(
    path: Path,
    street: Street,
    poses: Callable[[float], Matrix],
    rig: Rig | None = None,
    ticks: Sequence[int] = range(HISTORY_TICKS + 1),
    noise_m: float = 0.0,
    scenario_type: ScenarioType = ScenarioType.NORMALITY,
    base: Matrix | None = None,
    max_points: int | None = None,
    now_tick: int = HISTORY_TICKS,
) -> Shard:
    """Write and open a shard of a drive. The world's time is 0 at the tick `now_tick`."""
    rig = Rig() if rig is None else rig
    frames = []
    for tick in ticks:
        time_s = (tick - now_tick) / TICKS_PER_SECOND
        frames.append(
            street_frame(
                street,
                poses(time_s),
                time_s,
                rig,
                tick=tick,
                scenario=path.stem,
                scenario_type=scenario_type,
                base=base,
                noise_m=noise_m,
            )
        )
    largest = padded_length(max(len(frame.points) for frame in frames))
    write_shard(path, frames, max_points or largest)
    return read_shard(path)


def true_tracks(shard: Shard, ticks: Sequence[int], class_id: int, way: Way, now_tick: int = HISTORY_TICKS) -> Tracks:
    """Tracks as a perfect tracker would write them: the points of a class, and the places of their way."""
    rows = [np.flatnonzero(np.asarray(classes) == class_id).astype(np.int32) for classes in shard.point_class]
    places_m = np.full((len(shard), HISTORY_TICKS + 1), np.nan, dtype=np.float32)
    for index, tick in enumerate(ticks):
        for ago in range(HISTORY_TICKS + 1):
            if tick - ago in ticks:
                now_s = (tick - now_tick) / TICKS_PER_SECOND
                places_m[index, ago] = way(now_s - ago / TICKS_PER_SECOND) - way(now_s)
    nothing = np.full(len(shard), np.nan, dtype=np.float32)
    return Tracks(
        scenario=shard.scenario,
        shard_fingerprint=shard.fingerprint,
        frame_id=np.array(shard.frame_id),
        frame_score=np.zeros(len(shard), dtype=np.float16),
        range_m=nothing,
        speed_mps=nothing,
        acceleration_mps2=nothing,
        places_m=places_m,
        points_flat=np.concatenate(rows),
        point_offsets=np.concatenate([[0], np.cumsum([len(each) for each in rows])]).astype(np.int64),
    )


def last_frame(shard: Shard, lags: tuple[int, ...], tracks: Tracks | None = None) -> tuple[FrameBatch, Past]:
    """The last frame of a shard as a batch, with its past."""
    window = ShardWindows(shard, lags, tracks)
    batch = ShardDataset([shard], [FrameRef(0, len(shard) - 1)], [window])[0]
    assert batch.past is not None
    return batch, batch.past
