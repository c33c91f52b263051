"""Files of AnoVox's old sample layout: a scenario of recordings, and each kind of file."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lib.anovox.format import layout, writing
from lib.anovox.format.colors import ANOMALY_COLOR, color_keys
from lib.anovox.format.grid import voxel_grid
from lib.anovox.format.recording import Recording, ScenarioConfig, SensorPose
from lib.common.labels import LABELS, is_anomaly
from lib.reading.pcd import StoredCloud, require_pcd_library


def write_old_scenario(data_root: Path, config: ScenarioConfig, recordings: Iterable[Recording]) -> Path:
    """Write one scenario of a camera and a LiDAR at the default pose below `data_root`.

    The layout has no place for calibration, instances, intensity, the anomaly's class and float64 coordinates.
    """
    scenario = data_root / config.name
    for recording in recordings:
        _write_recording(scenario, recording)
    return scenario


def _write_recording(scenario: Path, recording: Recording) -> None:
    def file(folder: str) -> Path:
        path = scenario / layout.frame_file(folder, recording.frame_id, layout.ending_of(folder))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    [camera], [lidar] = recording.cameras, recording.lidars
    writing.write_png(file(layout.OLD_RGB), camera.rgb)
    writing.write_depth(file(layout.OLD_DEPTH), camera.depth_m)
    write_semantic_image(file(layout.OLD_SEMANTIC), camera.semantic)
    write_lidar(file(layout.OLD_LIDAR), lidar.lidar)
    write_semantic_lidar(file(layout.OLD_SEMANTIC_LIDAR), lidar.semantic_lidar)
    writing.write_array(file(layout.VOXEL_GRID), voxel_grid([(SensorPose(), lidar.semantic_lidar)], []))
    if recording.action:
        writing.write_key_values(file(layout.OLD_ACTION), recording.action)
    if recording.anomaly is not None:
        writing.write_key_values(file(layout.ANOMALY), recording.anomaly)


def colors_of_class_ids(class_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Palette colours (..., 3) RGB of class ids (...) as the old layout writes them: every anomaly (245, 0, 0)."""
    colors = np.full((256, 3), 255, dtype=np.uint8)
    for label in LABELS:
        colors[label.id] = label.color
    colors[is_anomaly(np.arange(256, dtype=np.uint8))] = ANOMALY_COLOR
    return colors[class_ids]


def write_semantic_image(path: Path, class_ids: npt.NDArray[np.uint8]) -> None:
    """Write SEMANTIC_IMG from (H, W) uint8 class ids; all anomaly classes become one colour."""
    writing.write_png(path, colors_of_class_ids(class_ids))


def write_lidar(path: Path, points: npt.NDArray[np.float32], intensity: bool = False) -> None:
    """Write PCD from (N, 4) x, y, z, intensity; by default without intensity, as by Open3D, which AnoVox used."""
    write_pcd(path, StoredCloud(points[:, :3], points[:, 3] if intensity else None))


def write_semantic_lidar(path: Path, points: npt.NDArray[np.float64]) -> None:
    """Write SEMANTIC_PCD from (N, 4) x, y, z, class id; as float32, and all anomaly classes become one colour."""
    colors = colors_of_class_ids(points[:, 3].astype(np.uint8))
    write_pcd(path, StoredCloud(points[:, :3].astype(np.float32), colors=colors))


def write_pcd(path: Path, cloud: StoredCloud, encoding: str = "binary") -> None:
    """Write a cloud as Open3D does: x y z, then intensity and rgb (packed into a float32) unless None."""
    columns = dict(zip("xyz", cloud.points_m.T, strict=True))
    if cloud.intensity is not None:
        columns["intensity"] = cloud.intensity
    if cloud.colors is not None:
        columns["rgb"] = color_keys(cloud.colors).view(np.float32)
    types = [column.dtype for column in columns.values()]
    library = require_pcd_library()
    library.PointCloud.from_points(list(columns.values()), list(columns), types).save(path, library.Encoding(encoding))
