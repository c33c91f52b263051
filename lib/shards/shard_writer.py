"""Frames of one scenario and camera -> one shard, streaming."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.labels import ANOMALY_IDS, UNKNOWN, class_counts
from lib.geometry.frame import Frame, Lidar, ScenarioType
from lib.shards.digests import digest
from lib.shards.index import ShardEntry
from lib.shards.schema import SHARD_KIND, Storage, shard_arrays
from lib.shards.storage import ArrayFileWriter, Attributes

POINTS_MULTIPLE = 64
FLOAT16_MAX = float(np.finfo(np.float16).max)


def padded_length(largest_cloud: int) -> int:
    """The number of point slots P for a data set whose largest cloud has so many points: rounded up to 64."""
    return max(1, -(-largest_cloud // POINTS_MULTIPLE)) * POINTS_MULTIPLE


class ShardWriter:
    """Write the frames of one scenario and camera, one by one; the file appears whole or not at all.

    Used as a context manager: `append` frames, at least one, then `finish`; leaving without `finish` leaves nothing
    behind. Clouds are padded to `max_points`; a larger one is thinned by a choice seeded by scenario and frame id,
    blind to labels. The same bytes for the same input.
    """

    def __init__(
        self,
        path: Path,
        first: Frame,
        max_points: int,
        town: str = "",
        weather: str = "",
        storage: Storage = Storage(),  # noqa: B008 (frozen)
    ) -> None:
        """Start a shard for frames like `first`, which is not written yet."""
        self._path, self._storage = path, storage
        self._first, self._max_points, self._place = first, max_points, (town, weather)
        self._num_voxels, self._anomaly = 0, first.anomaly
        self._frames, self._frames_with_anomaly, self._frames_before_anomaly = 0, 0, 0
        self.ids_seen: npt.NDArray[np.bool_] = np.zeros(256, dtype=bool)
        """(256,) bool: the class ids of the points and pixels so far."""
        camera = first.camera
        elevations_deg = _elevations(first.lidars)
        lidars, elevations = elevations_deg.shape
        specs = shard_arrays(camera.height_px, camera.width_px, max_points, lidars, elevations, storage.point_dtype)
        self._file = ArrayFileWriter(path, SHARD_KIND, specs, storage.compression)
        self._file.append("voxel_offsets", [0])
        self._file.append("camera_SE3_lidar", first.calibration.camera_SE3_lidar)
        self._file.append("intrinsics", [camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px])
        self._file.append("lidars", [_lidar_row(lidar) for lidar in first.lidars])
        self._file.append("lidar_elevations_deg", elevations_deg)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def append(self, frame: Frame) -> None:
        """Write the next frame."""
        _check_same_sensors(self._first, frame)
        if self._storage.point_dtype == "float16" and not (np.abs(frame.points) <= FLOAT16_MAX).all():
            raise DataError(
                f"{self._path}: a number of frame {frame.frame_id}'s points is beyond float16's "
                f"{FLOAT16_MAX:.0f}; set preprocess.point_dtype to float32"
            )
        self._num_voxels += len(frame.voxels)
        kept_class = _append_frame(self._file, frame, self._max_points, self._num_voxels)
        point_ids, pixel_ids = _ids_in(frame.point_class), _ids_in(frame.pixel_class)
        kept_ids = point_ids if len(kept_class) == len(frame.point_class) else _ids_in(kept_class)
        self.ids_seen |= point_ids | pixel_ids
        self._frames += 1
        self._frames_with_anomaly += bool((kept_ids | pixel_ids)[list(ANOMALY_IDS)].any())
        self._frames_before_anomaly += self._frames_with_anomaly == 0
        self._anomaly = self._anomaly or frame.anomaly

    def finish(self, ids_seen: npt.NDArray[np.bool_]) -> ShardEntry:
        """Put the shard in its place, and return its line of the index.

        `ids_seen` (256,) bool: the class ids in all shards of the scenario. A scenario called normality in which a
        label says anomaly becomes an anomaly scenario: it must never train.
        """
        first, (town, weather) = self._first, self._place
        scenario_type = type_by_labels(first.scenario_type, ids_seen)
        attributes: Attributes = {
            "scenario": first.scenario,
            "scenario_type": scenario_type.value,
            "camera_name": first.camera_name,
            "town": town,
            "weather": weather,
            "has_anomaly": int(self._anomaly is not None),
        }
        known = asdict(self._anomaly).items() if self._anomaly else ()
        self._file.finish(attributes | {f"anomaly_{field}": value for field, value in known if value is not None})
        return ShardEntry(
            scenario=first.scenario,
            type=scenario_type,
            file=self._path.name,
            frames=self._frames,
            frames_with_anomaly=self._frames_with_anomaly,
            frames_before_anomaly=self._frames_before_anomaly,
            image_height=first.camera.height_px,
            image_width=first.camera.width_px,
            max_points=self._max_points,
            lidar_channels=max(lidar.channels for lidar in first.lidars),
            town=town,
            weather=weather,
            camera=first.camera_name,
        )


def write_shard(
    path: Path,
    frames: Iterable[Frame],
    max_points: int,
    town: str = "",
    weather: str = "",
    storage: Storage = Storage(),  # noqa: B008 (frozen)
) -> ShardEntry:
    """Write frames as one shard (`ShardWriter`) and return its line of the index; raises DataError without a frame."""
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise DataError(f"{path}: no usable frame to write")
    with ShardWriter(path, first, max_points, town, weather, storage) as shard:
        for frame in chain([first], frames):
            shard.append(frame)
        return shard.finish(shard.ids_seen)


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


def _ids_in(class_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Say which ids (256,) occur."""
    return class_counts(class_ids) > 0


def _append_frame(file: ArrayFileWriter, frame: Frame, max_points: int, num_voxels: int) -> npt.NDArray[np.uint8]:
    """Write a frame; returns the classes of the points that stay."""
    all_stay = len(frame.points) <= max_points
    kept = thinned(frame.scenario, frame.frame_id, len(frame.points), max_points)
    chosen = slice(None) if all_stay else kept
    points = np.empty((1, max_points, 4), dtype=np.float32)
    point_class = np.full((1, max_points), UNKNOWN, dtype=np.uint8)
    points[0, : len(kept)] = frame.points[chosen]
    points[0, len(kept) :] = 0.0
    point_class[0, : len(kept)] = frame.point_class[chosen]
    unknown_pose = np.full((4, 4), np.nan)
    file.append("frame_id", [frame.frame_id])
    file.append("frame_digest", np.array([[digest(frame.image), digest(points[0, : len(kept)])]], dtype=np.uint64))
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
    borders = np.searchsorted(kept, np.cumsum((0, *(frame.cloud_sizes or (len(frame.points),)))))
    file.append("lidar_num_points", np.diff(borders)[None])
    return point_class[0, : len(kept)]


def _check_same_sensors(first: Frame, frame: Frame) -> None:
    one, other = ((f.scenario, f.camera_name, f.calibration, f.lidars) for f in (first, frame))
    assert one == other, "one shard, one camera"


def _elevations(lidars: Sequence[Lidar]) -> npt.NDArray[np.float64]:
    """Elevations (L, n) [degrees] of the LiDARs' channels; nan where a LiDAR has fewer, or even ones."""
    rows = [lidar.elevations_deg for lidar in lidars]
    elevations_deg = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in zip(elevations_deg, rows, strict=True):
        row[: len(values)] = values
    return elevations_deg


def _lidar_row(lidar: Lidar) -> tuple[float, ...]:
    field_of_view = lidar.upper_fov_deg, lidar.lower_fov_deg
    return lidar.channels, *field_of_view, lidar.range_m, *lidar.location, *lidar.rotation
