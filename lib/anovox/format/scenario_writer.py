"""Recordings -> AnoVox's release layout, for the built-in sample and for tests."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lib.anovox.format import layout, writing
from lib.anovox.format.grid import voxel_grid
from lib.anovox.format.recording import (
    CAMERA_SENSORS,
    LIDAR_SENSORS,
    CameraRecording,
    LidarRecording,
    Recording,
    ScenarioConfig,
    SensorSet,
)
from lib.anovox.format.sensor_setup import sensor_setup, write_sensor_setup
from lib.common.errors import DataError
from lib.common.outputs import atomic_folder


def write_scenario(
    data_root: Path, config: ScenarioConfig, sensors: SensorSet, recordings: Iterable[Recording]
) -> Path:
    """Write one scenario folder below `data_root` and return its path.

    Atomic: the folder appears under its name when it is complete. `recordings` is consumed one by one. The voxel grid
    is computed from the semantic LiDARs and, at poses without one, from depth and semantic cameras.
    Raises DataError if the scenario exists.
    """
    target = data_root / config.name
    if target.exists():
        raise DataError(f"{target}: exists already; delete it first or write to another folder")
    with atomic_folder(target) as partial:
        write_sensor_setup(partial / layout.SENSOR_SETUP, sensor_setup(sensors))
        for recording in recordings:
            _write_recording(partial, sensors, recording)
    return target


def _write_recording(scenario: Path, sensors: SensorSet, recording: Recording) -> None:
    frame_id = recording.frame_id
    for camera_pose, camera in zip(sensors.cameras, recording.cameras, strict=True):
        names = [layout.sensor_name(kind, camera_pose, sensors.camera_args) for kind in CAMERA_SENSORS]
        rgb, depth, semantic, instance = (_file(scenario, name, frame_id, ".png") for name in names)
        writing.write_png(rgb, camera.rgb)
        writing.write_depth(depth, camera.depth_m)
        writing.write_png(semantic, camera.semantic)
        writing.write_png(instance, camera.instance)
    for lidar_pose, lidar in zip(sensors.lidars, recording.lidars, strict=True):
        names = [layout.sensor_name(kind, lidar_pose, sensors.lidar_args) for kind in LIDAR_SENSORS]
        noisy, labelled = (_file(scenario, name, frame_id, ".npy") for name in names)
        writing.write_cloud(noisy, lidar.lidar.astype("<f4", copy=False))
        writing.write_cloud(labelled, lidar.semantic_lidar.astype("<f8", copy=False))
    voxels = _voxels(sensors, recording.cameras, recording.lidars)
    writing.write_array(_file(scenario, layout.VOXEL_GRID, frame_id, ".npy"), voxels)
    if recording.action:
        writing.write_key_values(_file(scenario, layout.ACTION, frame_id, ".csv"), recording.action)
    if recording.anomaly is not None:
        writing.write_key_values(_file(scenario, layout.ANOMALY, frame_id, ".csv"), recording.anomaly)
    if recording.route_map is not None:
        writing.write_png(_file(scenario, layout.ROUTE_MAP, frame_id, ".png"), recording.route_map)


def _voxels(sensors: SensorSet, cameras: Sequence[CameraRecording], lidars: Sequence[LidarRecording]) -> Any:
    intrinsics = sensors.camera_args.intrinsics()
    labelled = [(pose, lidar.semantic_lidar) for pose, lidar in zip(sensors.lidars, lidars, strict=True)]
    pictures = [(intrinsics, writing.depth_as_stored(camera.depth_m), camera.semantic) for camera in cameras]
    return voxel_grid(labelled, [(pose, *picture) for pose, picture in zip(sensors.cameras, pictures, strict=True)])


def _file(scenario: Path, sensor: str, frame_id: int, ending: str) -> Path:
    path = scenario / layout.frame_file(sensor, frame_id, ending)
    path.parent.mkdir(exist_ok=True)
    return path
