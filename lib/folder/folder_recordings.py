"""Plain folders -> recordings: `images/` and `clouds/` beside or below a calibration.yaml (docs/sensors.md)."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from lib.common.errors import DataError
from lib.folder.calibration_file import CALIBRATION_FILE, CalibrationFile, read_calibration
from lib.folder.cloud_files import CLOUD_ENDINGS, cloud_size, read_cloud
from lib.geometry.axes import check_view
from lib.geometry.calibration import Calibration
from lib.geometry.distortion import undistorted
from lib.geometry.frame import Lidar
from lib.geometry.rings import find_lidar
from lib.reading.file_errors import FileError
from lib.reading.findings import ScenarioError, ScenarioReason
from lib.reading.images import IMAGE_ENDINGS, read_image
from lib.reading.pairing import Pair, listed, paired
from lib.reading.recorded_frames import Opener, ReadFrame, Recording, SkippedFrame, unlabelled_frame
from lib.reading.safe_names import file_name

IMAGES, CLOUDS = "images", "clouds"
MAX_DEPTH: Final = 4
MIN_WIDE_RANGE: Final = 100.0
FIRST_CLOUDS: Final = 10
"""The largest of so many clouds shows what the LiDAR is like."""


@dataclass(frozen=True)
class _Source:
    """What the frames of a recording are read from."""

    name: str
    file: CalibrationFile
    calibration: Calibration
    lidar: Lidar
    pairs: tuple[Pair, ...]


def find_folders(root: Path) -> list[Opener]:
    """Find all folders below `root` that hold images/ and clouds/, at most 4 deep; raises DataError without one."""
    found = []
    for folder, below, _ in os.walk(root, followlinks=True):
        path = Path(folder)
        below.sort()
        if {IMAGES, CLOUDS} <= set(below):
            found.append(path)
            below.clear()
        elif len(path.relative_to(root).parts) == MAX_DEPTH:
            below.clear()
    if not found:
        raise DataError(
            f"{root}: holds no folder with {IMAGES}/ and {CLOUDS}/; arrange the data so (docs/sensors.md), or set "
            "data.root"
        )
    return [partial(open_folder, root, path) for path in found]


def open_folder(root: Path, path: Path) -> Recording:
    """Open a folder of images and clouds below `root`, with the nearest calibration.yaml in it or above it.

    The calibration is checked, and the LiDAR's rings are found, by the largest of the first clouds. Raises
    ScenarioError.
    """
    file = read_calibration(_calibration_path(root, path))
    folders = path / IMAGES, path / CLOUDS
    images, clouds = listed(folders[0], IMAGE_ENDINGS), listed(folders[1], CLOUD_ENDINGS)
    pairs, findings = paired(path, images, clouds, file.max_time_apart_s)
    camera = file.camera.camera
    lidar = _lidar(path, file, pairs)
    name = file_name(path.relative_to(root).parts or (root.resolve().name,))
    source = _Source(name, file, file.calibration, lidar, pairs)
    return Recording(
        name=name,
        path=path,
        folders=folders,
        settings=file.model_dump(mode="json"),
        image_sizes=((camera.height_px, camera.width_px),),
        cloud_sizes={pair.frame_id: _size(pair, file) for pair in pairs},
        findings=findings,
        frames=partial(_frames, source),
        times_s={pair.frame_id: time_s for pair in pairs if (time_s := _time_s(pair, file)) is not None},
    )


def _calibration_path(root: Path, path: Path) -> Path:
    above = [path, *path.parents][: len(path.relative_to(root).parts) + 1]
    for folder in above:
        if (folder / CALIBRATION_FILE).exists():
            return folder / CALIBRATION_FILE
    message = f"{path}: there is no {CALIBRATION_FILE} in it or above it; write one (docs/sensors.md shows how)"
    raise ScenarioError(ScenarioReason.MISSING_SENSOR_SETUP, message)


def _lidar(path: Path, file: CalibrationFile, pairs: Sequence[Pair]) -> Lidar:
    """The LiDAR as the largest of the first clouds shows it, by which the calibration is checked too."""
    clouds, problems = [], []
    for pair in pairs[:FIRST_CLOUDS]:
        try:
            clouds.append((pair.cloud.name, read_cloud(pair.cloud, file.lidar)))
        except FileError as error:
            problems.append(error)
    if not clouds:
        raise ScenarioError(ScenarioReason.NO_USABLE_FRAME, f"{path}: no cloud can be read; the first: {problems[0]}")
    name, cloud = max(clouds, key=lambda named: len(named[1].points))
    try:
        check_view(file.camera.camera, file.transform, file.camera_axes, cloud.points)
    except ValueError as error:
        message = f"{path}: camera_SE3_lidar of {CALIBRATION_FILE} cannot be right for {name}: {error}"
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, message) from None
    high = file.lidar.intensity_range[1]
    if high >= MIN_WIDE_RANGE and 0 < cloud.points[:, 3].max() * high <= 1:
        message = (
            f"{path}: the intensities of {name} are at most 1, but lidar.intensity_range of {CALIBRATION_FILE} ends at "
            f"{high:g}; set it to [0, 1]"
        )
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, message)
    if file.lidar.elevations_deg:
        elevations_deg = tuple(sorted(file.lidar.elevations_deg, reverse=True))
        ends = elevations_deg[0], elevations_deg[-1]
        return Lidar(len(elevations_deg), *ends, file.lidar.range_m, elevations_deg=elevations_deg)
    return find_lidar(cloud.points, cloud.ring, file.lidar.range_m)


def _size(pair: Pair, file: CalibrationFile) -> int:
    try:
        return cloud_size(pair.cloud, file.lidar)
    except FileError:
        return 0  # reported with its frame


def _time_s(pair: Pair, file: CalibrationFile) -> float | None:
    if pair.time_s is None and file.frames_per_second:
        return pair.frame_id / file.frames_per_second
    return pair.time_s


def _frames(source: _Source, frame_ids: Sequence[int] | None) -> Iterator[ReadFrame | SkippedFrame]:
    file, camera = source.file, source.calibration.camera
    for pair in source.pairs:
        if frame_ids is not None and pair.frame_id not in frame_ids:
            continue
        try:
            image = read_image(pair.image, camera.height_px, camera.width_px)
            cloud = read_cloud(pair.cloud, file.lidar)
        except FileError as error:
            yield SkippedFrame(pair.frame_id, error.reason, str(error))
            continue
        if file.camera.distortion:
            image = undistorted(image, camera, tuple(file.camera.distortion))
        time_s = _time_s(pair, file)
        of_frame = source.name, pair.frame_id, image, cloud.points, source.calibration, (source.lidar,), time_s
        yield replace(unlabelled_frame(*of_frame), kept_rows=cloud.kept)
