"""Normal drives at 10 Hz behind a car that both sensors see and the tracker follows: shards, index and tracks."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.common.labels import CAR, ROAD
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Frame, ScenarioType
from lib.shards.index import write_index
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from lib.shards.tracks import write_tracks
from lib.tracking.shard_tracks import tracks_of
from tests.shard_data import shard_entry
from tests.tracking.rear_clouds import PARAMS, drive_shard

FRAMES = 20
GAP_M = 8.0
SPEED_MPS = 7.0
CAMERA = Camera.from_fov(96, 64, 90.0)
LIDAR_HEIGHT_M = 1.8


def write_followed_drives(root: Path, drives: int = 3) -> None:
    """data/shards and data/tracks of drives in which the car keeps its distance."""
    ego_m = SPEED_MPS * 0.1 * np.arange(FRAMES)
    entries = []
    for number in range(drives):
        name = f"Scenario_{number}.h5"
        gap_m = GAP_M + number
        bare = drive_shard(
            root / "bare" / name,
            np.full(FRAMES, gap_m),
            ego_m,
            scenario_type=ScenarioType.NORMALITY,
            seed=number,
        )
        frames = [seen(bare.frame(index), gap_m) for index in range(FRAMES)]
        path = root / "data" / "shards" / name
        write_shard(path, frames, max(len(frame.points) for frame in frames))
        shard = read_shard(path)
        entries.append(shard_entry(shard))
        write_tracks(root / "data" / "tracks" / name, tracks_of(shard, PARAMS))
    write_index(root / "data" / "shards", entries)


def seen(frame: Frame, range_m: float) -> Frame:
    """The frame with the image of a grey road and a red car."""
    row, column = np.indices((CAMERA.height_px, CAMERA.width_px)) + 0.5
    below = np.maximum(row - CAMERA.cy_px, 0.5)
    depth_m = np.where(row > CAMERA.cy_px, LIDAR_HEIGHT_M * CAMERA.fy_px / below, 1000.0)
    left_m, up_m = (CAMERA.cx_px - column) / CAMERA.fx_px * range_m, (CAMERA.cy_px - row) / CAMERA.fy_px * range_m
    height_m = up_m + LIDAR_HEIGHT_M
    car = (np.abs(left_m) < 0.9) & (height_m > 0.3) & (height_m < 1.5)
    image = np.random.default_rng(frame.frame_id).integers(90, 110, (*car.shape, 3), dtype=np.uint8)
    image[car] = (200, 20, 20)
    return replace(
        frame,
        image=image,
        pixel_class=np.where(car, CAR, ROAD).astype(np.uint8),
        depth_m=np.where(car, range_m, depth_m).astype(np.float32),
        calibration=Calibration(CAMERA, np.eye(4)),
    )
