"""Writers of AnoVox's single files (`files` has the readers), and recordings -> AnoVox's release layout."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib.anovox.format import layout
from lib.anovox.format.files import DEPTH_MAX_M, DEPTH_STEPS
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


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write RGB-CAM or INSTANCE-CAM from (H, W, 3) uint8, SEMANTIC-CAM or ROUTE_MAP from (H, W) uint8."""
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, format="PNG", compress_level=1)


def write_depth(path: Path, depth_m: npt.NDArray[np.float64]) -> None:
    """Write DEPTH_CAM from (H, W) planar depth [m], clipped to 1000 m."""
    steps = _depth_steps(depth_m)
    write_png(path, np.stack([steps & 255, steps >> 8 & 255, steps >> 16], axis=-1).astype(np.uint8))


def depth_as_stored(depth_m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Depth (H, W) [m] after a round trip through `write_depth` and `read_depth`."""
    return np.asarray(DEPTH_MAX_M * _depth_steps(depth_m) / DEPTH_STEPS, dtype=np.float64)


def _depth_steps(depth_m: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    return np.rint(np.clip(depth_m / DEPTH_MAX_M, 0.0, 1.0) * DEPTH_STEPS).astype(np.uint32)


def write_cloud(path: Path, cloud: npt.NDArray[np.floating]) -> None:
    """Write LIDAR or SEMANTIC-LIDAR from (N, 4), column-major as AnoVox does."""
    with path.open("wb") as file:
        np.save(file, np.asfortranarray(cloud), allow_pickle=False)


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write VOXEL_GRID, row-major."""
    with path.open("wb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def write_key_values(path: Path, values: Mapping[str, str]) -> None:
    """Write an ACTION or ANOMALY file."""
    assert all("\n" not in text for pair in values.items() for text in pair)
    assert all(key.strip() and ";" not in key for key in values)
    path.write_text("".join(f"{key} ; {value}\n" for key, value in values.items()), encoding="utf-8")


def write_scenario(
    data_root: Path, config: ScenarioConfig, sensors: SensorSet, recordings: Iterable[Recording]
) -> Path:
    """Write one scenario folder below `data_root` and return its path.

    The folder appears when it is complete. `recordings` is consumed one by one. The voxel grid is computed from the
    semantic LiDARs and, at poses without one, from depth and semantic cameras. Raises DataError if the scenario exists.
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
        write_png(rgb, camera.rgb)
        write_depth(depth, camera.depth_m)
        write_png(semantic, camera.semantic)
        write_png(instance, camera.instance)
    for lidar_pose, lidar in zip(sensors.lidars, recording.lidars, strict=True):
        names = [layout.sensor_name(kind, lidar_pose, sensors.lidar_args) for kind in LIDAR_SENSORS]
        noisy, labelled = (_file(scenario, name, frame_id, ".npy") for name in names)
        write_cloud(noisy, lidar.lidar.astype("<f4", copy=False))
        write_cloud(labelled, lidar.semantic_lidar.astype("<f8", copy=False))
    voxels = _voxels(sensors, recording.cameras, recording.lidars)
    write_array(_file(scenario, layout.VOXEL_GRID, frame_id, ".npy"), voxels)
    if recording.action:
        write_key_values(_file(scenario, layout.ACTION, frame_id, ".csv"), recording.action)
    if recording.anomaly is not None:
        write_key_values(_file(scenario, layout.ANOMALY, frame_id, ".csv"), recording.anomaly)
    if recording.route_map is not None:
        write_png(_file(scenario, layout.ROUTE_MAP, frame_id, ".png"), recording.route_map)


def _voxels(sensors: SensorSet, cameras: Sequence[CameraRecording], lidars: Sequence[LidarRecording]) -> Any:
    intrinsics = sensors.camera_args.intrinsics()
    labelled = [(pose, lidar.semantic_lidar) for pose, lidar in zip(sensors.lidars, lidars, strict=True)]
    pictures = [(intrinsics, depth_as_stored(camera.depth_m), camera.semantic) for camera in cameras]
    return voxel_grid(labelled, [(pose, *picture) for pose, picture in zip(sensors.cameras, pictures, strict=True)])


def _file(scenario: Path, sensor: str, frame_id: int, ending: str) -> Path:
    path = scenario / layout.frame_file(sensor, frame_id, ending)
    path.parent.mkdir(exist_ok=True)
    return path
