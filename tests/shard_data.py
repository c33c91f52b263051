"""Small shards of flat streets, for the tests of stages that need some."""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from lib.common.labels import ROAD
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Frame, Lidar, ScenarioType
from lib.shards.index import ShardEntry, frames_with_anomaly, write_index
from lib.shards.schema import Storage
from lib.shards.shard_reader import Shard
from lib.shards.shard_writer import padded_length, write_shard
from tests.views.streets import HEIGHT_PX, WIDTH_PX, flat_street


def street_frame(scenario: str, frame_id: int, scenario_type: ScenarioType, anomaly: bool, seed: int) -> Frame:
    batch = flat_street(1, seed)
    points = batch.points_BP4[0].numpy()
    point_class = batch.point_class_BP[0].numpy().copy()
    pixel_class = batch.pixel_class_BHW[0].numpy().copy()
    image = batch.image_BHW3[0].numpy().copy()
    camera = Camera.from_fov(WIDTH_PX, HEIGHT_PX, 90.0)
    if anomaly:
        spot = (np.hypot(points[:, 0] - 6, points[:, 1]) < 1.0) & (points[:, 0] > 0)
        point_class[spot] = 30
        surface = camera.unproject(batch.depth_m_BHW[0].numpy().astype(np.float64))
        patch = np.hypot(surface[..., 0] - 6, surface[..., 1]) < 1.0
        pixel_class[patch], image[patch] = 30, (250, 20, 250)
    return Frame(
        scenario=scenario,
        frame_id=frame_id,
        scenario_type=scenario_type,
        image=image,
        points=points,
        point_class=point_class,
        pixel_class=pixel_class,
        depth_m=batch.depth_m_BHW[0].numpy().astype(np.float32),
        calibration=Calibration(camera, np.eye(4)),
        lidars=(Lidar(channels=32, upper_fov_deg=15.0, lower_fov_deg=-25.0, range_m=100.0),),
        voxels=np.array([[500, 500, 28, ROAD]], dtype=np.uint16),
        world_SE3_ego=None,
        speed_mps=None,
        time_s=None,
        anomaly=None,
    )


def write_street_shards(
    folder: Path,
    normality: int = 4,
    static: int = 2,
    frames: int = 2,
    storage: Storage = Storage(),  # noqa: B008 (frozen)
) -> None:
    """Write shards and index of flat streets; the static ones hold a pink patch 6 m ahead."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    kinds = [ScenarioType.NORMALITY] * normality + [ScenarioType.STATIC] * static
    for number, kind in enumerate(kinds):
        name = f"Scenario_{number:08d}"
        made = [
            street_frame(name, 996 + 4 * i, kind, kind is ScenarioType.STATIC, 10 * number + i) for i in range(frames)
        ]
        entries.append(write_shard(folder / f"{name}.h5", made, padded_length(len(made[0].points)), storage=storage))
    write_index(folder, entries)


def is_mapped(array: Any) -> bool:
    """Say whether an array's bytes are a mapped file's own."""
    while isinstance(array, np.ndarray | memoryview):
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return isinstance(array, ctypes.Array)


def shard_entry(shard: Shard) -> ShardEntry:
    """The index line of a shard by what lies in it."""
    anomalous = frames_with_anomaly(shard)
    return ShardEntry(
        scenario=shard.scenario,
        type=shard.scenario_type,
        file=shard.path.name,
        frames=len(shard),
        frames_with_anomaly=int(anomalous.sum()),
        frames_before_anomaly=int((~np.logical_or.accumulate(anomalous)).sum()),
        image_height=shard.camera.height_px,
        image_width=shard.camera.width_px,
        max_points=shard.points.shape[1],
        lidar_channels=max(lidar.channels for lidar in shard.lidars),
        town=shard.town,
        weather=shard.weather,
        camera=shard.camera_name,
    )
