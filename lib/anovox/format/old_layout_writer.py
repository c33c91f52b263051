"""Recordings -> AnoVox's old sample layout, for tests of its reader."""

from collections.abc import Iterable
from pathlib import Path

from lib.anovox.format import layout, old_layout, writing
from lib.anovox.format.grid import voxel_grid
from lib.anovox.format.recording import Recording, ScenarioConfig, SensorPose
from lib.common.errors import DataError
from lib.common.outputs import atomic_folder


def write_old_scenario(data_root: Path, config: ScenarioConfig, recordings: Iterable[Recording]) -> Path:
    """Write one scenario of a camera and a LiDAR at the default pose below `data_root`, atomically.

    The layout has no place for calibration, instances, intensity, the anomaly's class and float64 coordinates.
    Raises DataError if the scenario exists.
    """
    target = data_root / config.name
    if target.exists():
        raise DataError(f"{target}: exists already; delete it first or write to another folder")
    with atomic_folder(target) as folder:
        for recording in recordings:
            _write_recording(folder, recording)
    return target


def _write_recording(scenario: Path, recording: Recording) -> None:
    [camera], [lidar], frame_id = recording.cameras, recording.lidars, recording.frame_id
    writing.write_rgb(_file(scenario, layout.OLD_RGB, frame_id), camera.rgb)
    writing.write_depth(_file(scenario, layout.OLD_DEPTH, frame_id), camera.depth_m)
    old_layout.write_semantic_image(_file(scenario, layout.OLD_SEMANTIC, frame_id), camera.semantic)
    old_layout.write_lidar(_file(scenario, layout.OLD_LIDAR, frame_id), lidar.lidar)
    old_layout.write_semantic_lidar(_file(scenario, layout.OLD_SEMANTIC_LIDAR, frame_id), lidar.semantic_lidar)
    voxels = voxel_grid([(SensorPose(), lidar.semantic_lidar)], [])
    writing.write_array(_file(scenario, layout.VOXEL_GRID, frame_id), voxels)
    if recording.action:
        writing.write_key_values(_file(scenario, layout.OLD_ACTION, frame_id), recording.action)
    if recording.anomaly is not None:
        writing.write_key_values(_file(scenario, layout.ANOMALY, frame_id), recording.anomaly)


def _file(scenario: Path, folder: str, frame_id: int) -> Path:
    path = scenario / layout.frame_file(folder, frame_id, layout.ending_of(folder))
    path.parent.mkdir(exist_ok=True)
    return path
