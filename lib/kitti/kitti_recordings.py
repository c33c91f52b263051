"""KITTI -> recordings: the layouts of its object, tracking and odometry benchmarks (docs/sensors.md).

The left colour camera (image_2, image_02) and the Velodyne HDL-64E (x forward, y left, z up, reflectance 0 to 1).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.reading import read_text
from lib.geometry.axes import check_view
from lib.geometry.calibration import Calibration
from lib.geometry.frame import Lidar
from lib.geometry.rings import find_lidar
from lib.kitti.kitti_calibration import read_kitti_calibration
from lib.reading.bin_rows import bin_size, read_bin
from lib.reading.file_errors import CORRECT, FileError, Reason, check_coordinates
from lib.reading.findings import Finding, Notice, Report, ScenarioError, ScenarioReason
from lib.reading.images import IMAGE_ENDINGS, image_size, read_image
from lib.reading.pairing import Pair, listed, paired
from lib.reading.recorded_frames import Opener, ReadFrame, Recording, SkippedFrame, unlabelled_frame
from lib.reading.safe_names import file_name

VELODYNE: Final = "velodyne"
RANGE_M: Final = 120.0
"""Of the HDL-64E."""
FRAMES_PER_SECOND: Final = 10.0
MAX_DEPTH: Final = 4
FIRST_CLOUDS: Final = 10
"""The largest of so many clouds shows what the Velodyne is like."""


@dataclass(frozen=True)
class _Source:
    """A recording's frames: their files, one calibration, and the time of each frame [s] by id (none: unknown)."""

    name: str
    path: Path
    folders: tuple[Path, ...]
    pairs: tuple[Pair, ...]
    calibration: Calibration
    times_s: Mapping[int, float]
    findings: tuple[Finding, ...]


def find_kitti(root: Path, report: Report) -> list[Opener]:
    """Find the recordings below `root`, in KITTI's layouts; raises DataError without one.

    Frames of the object benchmark, which are no sequence, form one recording per calibration and image size.
    """
    openers: list[Opener] = []
    for folder, names, files in os.walk(root, followlinks=True):
        names.sort()
        path, held = Path(folder), set(names)
        parts = path.relative_to(root).parts
        prefix = parts or (root.resolve().name,)
        if {VELODYNE, "image_2"} <= held and "calib.txt" in files:
            openers.append(partial(_open_sequence, path, file_name(prefix)))
        elif {VELODYNE, "image_2", "calib"} <= held:
            openers += _object_openers(path, prefix, report)
        elif {VELODYNE, "image_02", "calib"} <= held:
            sequences = sorted(entry.name for entry in (path / VELODYNE).iterdir() if entry.is_dir())
            openers += [partial(_open_tracking, path, name, file_name((*prefix, name))) for name in sequences]
        elif VELODYNE in held:
            lacks = "image_2/ with calib/ or calib.txt, or image_02/ with calib/"
            report(Finding(ScenarioReason.NO_SENSOR_PAIR, f"{path}: has velodyne/, but not {lacks}; it is left out"))
        elif len(parts) < MAX_DEPTH:
            continue
        names.clear()
    if not openers:
        raise DataError(
            f"{root}: holds no KITTI data: no folder with velodyne/, image_2/ and calib/ (object), velodyne/, "
            "image_02/ and calib/ (tracking) or velodyne/, image_2/ and calib.txt (odometry); set data.root "
            "to one above them"
        )
    return openers


def _object_openers(path: Path, prefix: Sequence[str], report: Report) -> list[Opener]:
    """The frames of a split of the object benchmark, by calibration and image size."""
    folders = path / "image_2", path / VELODYNE, path / "calib"
    try:
        pairs, findings = paired(path, listed(folders[0], IMAGE_ENDINGS), listed(folders[1], (".bin",)), 0.0)
    except ScenarioError as error:
        report(Finding(error.reason, str(error)))
        return []
    for finding in findings:
        report(finding)
    groups: dict[tuple[str, tuple[int, int]], list[Pair]] = {}
    for pair in pairs:
        calib = _calib_of(pair, folders[2])
        try:
            key = read_text(calib), image_size(pair.image)
        except (OSError, UnicodeDecodeError, FileError) as error:
            problem = "there is no calibration for it" if isinstance(error, FileNotFoundError) else str(error)
            report(Finding(Notice.BAD_CONFIGURATION, f"frame {pair.image.stem} of {path} is left out: {problem}"))
            continue
        groups.setdefault(key, []).append(pair)
    return [
        partial(_open_object, path, folders, tuple(group), size, file_name((*prefix, group[0].image.stem)))
        for (_, size), group in groups.items()
    ]


def _open_object(
    path: Path, folders: tuple[Path, ...], pairs: tuple[Pair, ...], size: tuple[int, int], name: str
) -> Recording:
    calibration = _calibration(_calib_of(pairs[0], folders[2]), size)
    return _recording(_Source(name, path, folders, pairs, calibration, {}, ()))


def _open_tracking(path: Path, sequence: str, name: str) -> Recording:
    folders = path / "image_02" / sequence, path / VELODYNE / sequence
    pairs, findings = paired(path, listed(folders[0], IMAGE_ENDINGS), listed(folders[1], (".bin",)), 0.0)
    calibration = _calibration(path / "calib" / f"{sequence}.txt", _first_size(pairs))
    times_s = {pair.frame_id: pair.frame_id / FRAMES_PER_SECOND for pair in pairs}
    return _recording(_Source(name, path, folders, pairs, calibration, times_s, findings))


def _open_sequence(path: Path, name: str) -> Recording:
    folders = path / "image_2", path / VELODYNE
    pairs, findings = paired(path, listed(folders[0], IMAGE_ENDINGS), listed(folders[1], (".bin",)), 0.0)
    calibration = _calibration(path / "calib.txt", _first_size(pairs))
    times_s = _times_s(path / "times.txt")
    return _recording(_Source(name, path, (path, *folders), pairs, calibration, times_s, findings))


def _recording(source: _Source) -> Recording:
    lidar, camera = _lidar(source), source.calibration.camera
    return Recording(
        name=source.name,
        path=source.path,
        folders=source.folders,
        settings={
            "frames": [pair.image.stem for pair in source.pairs],
            "camera": asdict(camera),
            "camera_SE3_lidar": source.calibration.camera_SE3_lidar.tolist(),
        },
        image_sizes=((camera.height_px, camera.width_px),),
        cloud_sizes={pair.frame_id: _size(pair) for pair in source.pairs},
        findings=source.findings,
        frames=partial(_frames, source, lidar),
        times_s={
            pair.frame_id: source.times_s[pair.frame_id] for pair in source.pairs if pair.frame_id in source.times_s
        },
    )


def _frames(source: _Source, lidar: Lidar, frame_ids: Sequence[int] | None) -> Iterator[ReadFrame | SkippedFrame]:
    camera = source.calibration.camera
    for pair in source.pairs:
        if frame_ids is not None and pair.frame_id not in frame_ids:
            continue
        try:
            image = read_image(pair.image, camera.height_px, camera.width_px)
            points = read_velodyne(pair.cloud)
        except FileError as error:
            yield SkippedFrame(pair.frame_id, error.reason, str(error))
            continue
        time_s = source.times_s.get(pair.frame_id)
        yield unlabelled_frame(source.name, pair.frame_id, image, points, source.calibration, (lidar,), time_s)


def read_velodyne(path: Path) -> npt.NDArray[np.float32]:
    """Read a .bin file: (N, 4) float32 x forward, y left, z up [m, Velodyne], reflectance 0 to 1; raises FileError."""
    points = read_bin(path, 4)
    check_coordinates(path, points)
    lowest, highest = float(points[:, 3].min()), float(points[:, 3].max())
    if lowest < 0 or highest > 1:
        problem = f"its reflectances are {lowest:g} to {highest:g}, but KITTI's are 0 to 1"
        raise FileError(path, Reason.BAD_ARRAY, problem, f"{CORRECT}; data.format: folder reads other ranges")
    return points


def _lidar(source: _Source) -> Lidar:
    """The Velodyne as the largest of the first clouds shows it, which also checks the calibration."""
    clouds, problems = [], []
    for pair in source.pairs[:FIRST_CLOUDS]:
        try:
            clouds.append((pair.cloud.name, read_velodyne(pair.cloud)))
        except FileError as error:
            problems.append(error)
    if not clouds:
        message = f"{source.path}: no cloud can be read; the first: {problems[0]}"
        raise ScenarioError(ScenarioReason.NO_USABLE_FRAME, message)
    name, points = max(clouds, key=lambda named: len(named[1]))
    calibration = source.calibration
    try:
        check_view(calibration.camera, calibration.camera_SE3_lidar, "vehicle", points, others=False)
    except ValueError as error:
        message = f"{source.path}: the calibration cannot be right for {name}: {error}"
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, message) from None
    return find_lidar(points, None, RANGE_M)


def _calibration(path: Path, size: tuple[int, int]) -> Calibration:
    try:
        return read_kitti_calibration(path, *size)
    except FileError as error:
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, str(error)) from None


def _calib_of(pair: Pair, folder: Path) -> Path:
    return folder / f"{pair.image.stem}.txt"


def _first_size(pairs: Sequence[Pair]) -> tuple[int, int]:
    problems = []
    for pair in pairs[:FIRST_CLOUDS]:
        try:
            return image_size(pair.image)
        except FileError as error:
            problems.append(error)
    raise ScenarioError(ScenarioReason.NO_USABLE_FRAME, f"no image can be read; the first: {problems[0]}")


def _times_s(path: Path) -> dict[int, float]:
    """The times of a sequence's frames, a line each; none if there is no such file."""
    try:
        return {number: float(line) for number, line in enumerate(read_text(path).split())}
    except (OSError, ValueError):
        return {}


def _size(pair: Pair) -> int:
    try:
        return bin_size(pair.cloud, 4)
    except FileError:
        return 0  # reported with its frame
