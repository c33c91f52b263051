"""Frames of one scenario -> one shard, streaming."""

import hashlib
import json
import zlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lib.errors import DataError
from lib.frame import Frame, ScenarioType
from lib.labels import ANOMALY_IDS, UNKNOWN
from lib.shards.schema import SHARD_KIND, shard_arrays
from lib.shards.storage import ArrayFileWriter, Attributes

POINTS_MULTIPLE = 64


def padded_length(largest_cloud: int) -> int:
    """The number of point slots P for a data set whose largest cloud has so many points: rounded up to 64."""
    return max(1, -(-largest_cloud // POINTS_MULTIPLE)) * POINTS_MULTIPLE


def write_shard(path: Path, frames: Iterable[Frame], max_points: int, town: str = "", weather: str = "") -> int:
    """Write the frames of one scenario, one by one, and return how many there were.

    Clouds are padded to `max_points`; a larger one is thinned by a choice seeded by scenario and frame id, blind to
    labels. The file appears whole or not at all, the same bytes for the same input. A scenario called normality in
    which a label says anomaly becomes an anomaly scenario: it must never train. Raises DataError when no frame comes.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise DataError(f"{path}: no usable frame to write")
    specs = shard_arrays(first.camera.height_px, first.camera.width_px, max_points)
    with ArrayFileWriter(path, SHARD_KIND, specs) as file:
        count, num_voxels, ids_seen, anomaly = 0, 0, np.zeros(256, dtype=bool), first.anomaly
        file.append("voxel_offsets", [0])
        file.append("camera_SE3_lidar", first.camera_SE3_lidar)
        for frame in chain([first], frames):
            _check_same_sensors(first, frame)
            num_voxels += len(frame.voxels)
            _append_frame(file, frame, max_points, num_voxels)
            ids_seen[np.unique(frame.point_class)] = ids_seen[np.unique(frame.pixel_class)] = True
            anomaly, count = anomaly or frame.anomaly, count + 1
        attributes = _attributes(first, town, weather) | {"has_anomaly": int(anomaly is not None)}
        attributes["scenario_type"] = type_by_labels(first.scenario_type, ids_seen).value
        for field in ("size", "blueprint", "kind"):
            value = getattr(anomaly, field, None)
            if value is not None:
                attributes[f"anomaly_{field}"] = value
        content = json.dumps([SHARD_KIND.version, attributes, file.checksums(), [s.row_shape for s in specs]])
        attributes["fingerprint"] = hashlib.sha256(content.encode()).hexdigest()[:32]
        file.finish(attributes)
    return count


def type_by_labels(declared: ScenarioType, ids_seen: npt.NDArray[np.bool_]) -> ScenarioType:
    """The declared type, unless it is normality and labels say anomaly: `ids_seen` (256,) bool says which ids occur."""
    seen = [class_id for class_id in ANOMALY_IDS if ids_seen[class_id]]
    if declared is not ScenarioType.NORMALITY or not seen:
        return declared
    return ScenarioType.DYNAMIC if seen == [100] else ScenarioType.STATIC


def thinned(scenario: str, frame_id: int, num_points: int, max_points: int) -> npt.NDArray[np.int64]:
    """Which points of a cloud stay, ascending: all, or `max_points` of them, chosen by scenario and frame id alone."""
    if num_points <= max_points:
        return np.arange(num_points)
    generator = np.random.default_rng([zlib.crc32(scenario.encode()), frame_id])
    return np.sort(generator.choice(num_points, size=max_points, replace=False))


def _append_frame(file: ArrayFileWriter, frame: Frame, max_points: int, num_voxels: int) -> None:
    kept = thinned(frame.scenario, frame.frame_id, len(frame.points), max_points)
    points = np.zeros((1, max_points, 4), dtype=np.float32)
    point_class = np.full((1, max_points), UNKNOWN, dtype=np.uint8)
    points[0, : len(kept)] = frame.points[kept]
    point_class[0, : len(kept)] = frame.point_class[kept]
    unknown_pose = np.full((4, 4), np.nan)
    file.append("frame_id", [frame.frame_id])
    file.append("image", frame.image[None])
    file.append("points", points)
    file.append("num_points", [len(kept)])
    file.append("point_class", point_class)
    file.append("pixel_class", frame.pixel_class[None])
    file.append("depth_m", frame.depth_m[None])
    file.append("voxels_flat", frame.voxels)
    file.append("voxel_offsets", [num_voxels])
    file.append("world_SE3_ego", (unknown_pose if frame.world_SE3_ego is None else frame.world_SE3_ego)[None])
    file.append("speed_mps", [np.nan if frame.speed_mps is None else frame.speed_mps])
    file.append("time_s", [np.nan if frame.time_s is None else frame.time_s])


def _check_same_sensors(first: Frame, frame: Frame) -> None:
    same = (frame.scenario, frame.camera, frame.lidar) == (first.scenario, first.camera, first.lidar)
    assert same and np.array_equal(frame.camera_SE3_lidar, first.camera_SE3_lidar), "one shard, one scenario"


def _attributes(frame: Frame, town: str, weather: str) -> Attributes:
    camera, lidar = frame.camera, frame.lidar
    x_m, y_m, z_m = lidar.location
    roll_deg, pitch_deg, yaw_deg = lidar.rotation
    return {
        "scenario": frame.scenario,
        "town": town,
        "weather": weather,
        "camera_fx_px": float(camera.fx_px),
        "camera_fy_px": float(camera.fy_px),
        "camera_cx_px": float(camera.cx_px),
        "camera_cy_px": float(camera.cy_px),
        "lidar_channels": lidar.channels,
        "lidar_upper_fov_deg": float(lidar.upper_fov_deg),
        "lidar_lower_fov_deg": float(lidar.lower_fov_deg),
        "lidar_range_m": float(lidar.range_m),
        "lidar_x_m": float(x_m),
        "lidar_y_m": float(y_m),
        "lidar_z_m": float(z_m),
        "lidar_roll_deg": float(roll_deg),
        "lidar_pitch_deg": float(pitch_deg),
        "lidar_yaw_deg": float(yaw_deg),
    }
