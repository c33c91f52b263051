"""Sensor properties measured from images and clouds, for a sensor_setup.json that is wrong or missing.

AnoVox writes its defaults to sensor_setup.json, while its sensors follow its `Definitions`. So image sizes, field of
view and LiDAR channels may differ from that file. Where they can be measured, the measured values are used.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format import files, layout
from lib.anovox.format.clouds import read_lidar
from lib.anovox.format.ego_state import LIDAR_MATRIX, SPEED, ego_state
from lib.anovox.format.folders import FrameFiles
from lib.anovox.format.recording import CameraArgs, LidarArgs, SensorPose
from lib.anovox.format.sensor_setup import MAX_CHANNELS, CameraRig, LidarRig, SensorSetup
from lib.geometry.camera import Camera
from lib.geometry.rigid import apply, invert, vehicle_SE3_sensor
from lib.reading.file_errors import MAX_PIXELS, FileError
from lib.reading.findings import Finding, Notice

SECONDS_PER_TICK: Final = 0.1
"""AnoVox's FIXED_DELTA_SECONDS; file names count its ticks."""
MAX_TIME_PAIRS: Final = 8
MIN_SPEED_MPS: Final = 1.0
MAX_SPEED_CHANGE: Final = 0.2
TIME_ROUNDING_S: Final = 0.05
MIN_TIMES: Final = 2
MAX_TIME_RATIO: Final = 1.5
"""By which estimates of the time step may differ within a drive."""

MIN_POINTS: Final = 100
MIN_CONFIRMED_FRACTION: Final = 0.8
"""Of points whose depth the depth image confirms (good data: 0.96 to 0.99); below, the field of view is estimated."""
MIN_IMPROVEMENT: Final = 0.2
DEPTH_TOLERANCE: Final = 0.05
DEPTH_TOLERANCE_M: Final = 0.3
CANDIDATE_FOVS_DEG: Final = np.arange(20.0, 150.5, 1.0)

MIN_ROWS: Final = 3
LARGE_CLOUD: Final = 20_000
ROW_GAP_DEG: Final = 0.05
STEP_TOLERANCE: Final = 0.02
ROW_TOLERANCE_DEG: Final = 0.05

Listing = Mapping[str, FrameFiles]


def corrected(
    path: Path, setup: SensorSetup, listing: Listing, stated: bool
) -> tuple[SensorSetup, tuple[Finding, ...]]:
    """Correct the setup of the scenario `path` by image sizes, fields of view and LiDAR channels measured in its files.

    Returns a finding for each value that differs. `stated`: there is a sensor_setup.json; else no size is a finding.
    """
    args: dict[SensorPose, CameraArgs] = {}
    lidar_args: dict[SensorPose, LidarArgs] = {}
    findings: dict[Notice, Finding] = {}

    def note(notice: Notice, problem: str, used: str) -> None:
        message = f"{path / layout.SENSOR_SETUP}: {problem}; nothing to do: {used} is used"
        findings.setdefault(notice, Finding(notice, message))

    states = "says" if stated else "is missing, and AnoVox's default is"
    for rig in setup.lidars:
        cloud = _first_cloud(rig, listing)
        measured = rig.args if cloud is None else with_measured_rows(rig.args, cloud)
        lidar_args[rig.pose] = measured
        if measured != rig.args:
            problem = f"{states} {_rows(rig.args)} of the LiDAR, but the clouds show {_rows(measured)}"
            note(Notice.OTHER_LIDAR_CHANNELS, problem, "the value from the clouds")
    for camera in setup.cameras:
        sized = with_image_size(camera, listing)
        if stated and sized != camera.args:
            stated_size, shown = (f"{a.image_height} x {a.image_width}" for a in (camera.args, sized))
            problem = f"says {stated_size} pixels (height x width), but the images are {shown}"
            note(Notice.OTHER_IMAGE_SIZE, problem, "the images' size")
        seen = _with_field_of_view(replace(camera, args=sized), setup.lidars, listing)
        args[camera.pose] = seen
        if seen.camera_fov != sized.camera_fov:
            problem = f"{states} a camera_fov of {sized.camera_fov:g} degrees, but depth images and clouds agree at"
            note(Notice.OTHER_FIELD_OF_VIEW, f"{problem} {seen.camera_fov:g}", "this value")
    sensors = tuple(
        replace(s, args=(args if isinstance(s.args, CameraArgs) else lidar_args).get(s.pose, s.args))
        for s in setup.sensors
    )
    return SensorSetup(sensors), tuple(findings.values())


def with_image_size(rig: CameraRig, listing: Listing) -> CameraArgs:
    """The camera's arguments with the size of most of its images; unchanged if no image can be read."""
    folder = rig.folders.get(layout.RGB, "")
    images = list(listing[folder].paths.values()) if folder in listing else []
    expected = rig.args.image_height, rig.args.image_width
    if not images or _png_size(images[0]) == expected:
        return rig.args
    sizes = Counter(size for size in map(_png_size, images) if size is not None)
    height, width = max(sizes, key=lambda size: sizes[size], default=expected)
    return replace(rig.args, image_height=height, image_width=width)


def with_measured_rows(args: LidarArgs, cloud: npt.NDArray[np.float32]) -> LidarArgs:
    """The LiDAR's arguments with channels and vertical field of view estimated from a cloud (N, 4).

    Range noise does not change elevations: all points of a channel have the same. Unchanged if the elevations fit
    `args`, even with channels missing (the upper ones may see only sky), or if they are not evenly spaced.
    """
    rows_deg = _rows_deg(cloud)
    if len(rows_deg) < MIN_ROWS:
        return args
    step_deg = float(np.median(np.diff(rows_deg)))
    if not _evenly_spaced(rows_deg, rows_deg[0], step_deg):
        return args
    height_deg = args.upper_fov - args.lower_fov
    stated_deg = height_deg / max(1, args.channels - 1)
    if abs(stated_deg - step_deg) <= STEP_TOLERANCE * step_deg and _evenly_spaced(rows_deg, args.lower_fov, stated_deg):
        return args
    channels = round(height_deg / step_deg) + 1
    if channels <= MAX_CHANNELS and _evenly_spaced(rows_deg, args.lower_fov, height_deg / (channels - 1)):
        return replace(args, channels=channels)
    lower, upper = (round(float(end), 2) for end in (rows_deg[0], rows_deg[-1]))
    channels = round((upper - lower) / step_deg) + 1
    return replace(args, channels=channels, lower_fov=lower, upper_fov=upper) if channels <= MAX_CHANNELS else args


def tick_estimates_s(listing: Listing) -> tuple[float, ...]:
    """Times [s] between consecutive frame ids, in several places, by what speeds and positions in ACTION files show."""
    paths = listing[layout.ACTION].paths if layout.ACTION in listing else {}
    pairs = list(pairwise(paths))
    estimates = []
    for first, second in pairs[:: max(1, -(-len(pairs) // MAX_TIME_PAIRS))]:
        (start, start_mps), (end, end_mps) = (_position_and_speed(paths[frame_id]) for frame_id in (first, second))
        if start is None or end is None or min(start_mps, end_mps) < MIN_SPEED_MPS:
            continue
        if abs(end_mps - start_mps) <= MAX_SPEED_CHANGE * start_mps:
            mean_mps = (start_mps + end_mps) / 2
            estimates.append(float(np.linalg.norm(end - start)) / mean_mps / (second - first))
    return tuple(estimates)


def differing_ticks_s(estimates_s: Sequence[float]) -> tuple[float, float] | None:
    """The shortest and longest estimate, if several of either differ by more than a measurement may; else None."""
    ordered = sorted(estimates_s)
    short, long = ordered[:MIN_TIMES], ordered[-MIN_TIMES:]
    differ = len(ordered) >= 2 * MIN_TIMES and long[0] > MAX_TIME_RATIO * short[-1]
    return (float(np.median(short)), float(np.median(long))) if differ else None


def seconds_per_tick(estimates_s: Sequence[float]) -> float:
    """Time [s] between consecutive frame ids: AnoVox's, unless estimates clearly show another one."""
    if not estimates_s or differing_ticks_s(estimates_s):
        return SECONDS_PER_TICK
    measured_s = float(np.median(estimates_s))
    rounded_s = round(round(measured_s / TIME_ROUNDING_S) * TIME_ROUNDING_S, 2)
    clear = rounded_s > 0 and abs(measured_s - rounded_s) <= 0.1 * rounded_s
    return rounded_s if clear else SECONDS_PER_TICK


def field_of_view_deg(
    camera: CameraArgs, points_camera_m: npt.NDArray[np.float64], depth_m: npt.NDArray[np.float64]
) -> float:
    """Horizontal field of view at which points (N, 3) [m, camera frame] agree best with the depth image (H, W) [m].

    That of `camera`, unless another fits clearly better.
    """
    stated = confirmed_fraction(camera, camera.camera_fov, points_camera_m, depth_m)
    if stated is None or stated >= MIN_CONFIRMED_FRACTION:
        return camera.camera_fov
    best = camera.camera_fov
    for around in (CANDIDATE_FOVS_DEG, np.arange(-1.0, 1.01, 0.1)):
        views = around if around is CANDIDATE_FOVS_DEG else np.round(best + around, 2)
        fractions = [confirmed_fraction(camera, float(view), points_camera_m, depth_m) or 0.0 for view in views]
        fitting = views[np.array(fractions) >= max(fractions) - 0.005]
        best, fraction = float(np.round(fitting.mean(), 1)), max(fractions)
    if fraction < MIN_CONFIRMED_FRACTION or fraction < stated + MIN_IMPROVEMENT:
        return camera.camera_fov
    return float(round(best)) if abs(best - round(best)) < 0.35 else best


def confirmed_fraction(
    args: CameraArgs, view_deg: float, points_camera_m: npt.NDArray[np.float64], depth_m: npt.NDArray[np.float64]
) -> float | None:
    """Fraction of points in view whose depth the depth image confirms; None if there are too few points."""
    camera = Camera.from_fov(args.image_width, args.image_height, view_deg)
    visible, row, column = camera.pixels_of(np.ascontiguousarray(points_camera_m.T))
    if len(visible) < MIN_POINTS:
        return None
    x_m = points_camera_m[visible, 0]
    apart_m = np.abs(depth_m[row, column] - x_m)
    return float(np.mean(apart_m <= DEPTH_TOLERANCE_M + DEPTH_TOLERANCE * x_m))


def _with_field_of_view(rig: CameraRig, lidars: Sequence[LidarRig], listing: Listing) -> CameraArgs:
    """The camera's arguments with the field of view estimated from its depth image and the nearest LiDAR."""
    place = np.array(rig.pose.location)
    nearest = min(lidars, key=lambda lidar: float(np.linalg.norm(place - lidar.pose.location)), default=None)
    if nearest is None or layout.DEPTH not in rig.folders or layout.LIDAR not in nearest.folders:
        return rig.args
    depths, clouds = listing.get(rig.folders[layout.DEPTH]), listing.get(nearest.folders[layout.LIDAR])
    if depths is None or clouds is None:
        return rig.args
    for frame_id in (frame_id for frame_id in depths.paths if frame_id in clouds.paths):
        try:
            depth_m = files.read_depth(depths.paths[frame_id], rig.args.image_height, rig.args.image_width)
            cloud = read_lidar(clouds.paths[frame_id])
        except FileError:
            continue
        vehicle_SE3_camera, vehicle_SE3_lidar = (vehicle_SE3_sensor(*pose) for pose in (rig.pose, nearest.pose))
        points_camera_m = apply(invert(vehicle_SE3_camera) @ vehicle_SE3_lidar, _sampled(cloud))
        return replace(rig.args, camera_fov=field_of_view_deg(rig.args, points_camera_m, depth_m))
    return rig.args


def _first_cloud(rig: LidarRig, listing: Listing) -> npt.NDArray[np.float32] | None:
    found = listing.get(rig.folders.get(layout.LIDAR, ""))
    for path in found.paths.values() if found else ():
        try:
            return read_lidar(path)
        except FileError:
            continue  # the reader reports it with its frame
    return None


def _sampled(cloud: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Points (M, 3) of a cloud (N, 4); of a large one every 17th, as 17 divides no LiDAR's number of channels."""
    step = 17 if len(cloud) > LARGE_CLOUD else 1
    return cloud[::step, :3].astype(np.float64)


def _rows_deg(cloud: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Elevations [degrees] of the rows of a cloud (N, 4), ascending."""
    xyz = _sampled(cloud)
    elevation = np.sort(np.rad2deg(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1]))))
    starts = np.flatnonzero(np.diff(elevation, prepend=-np.inf) > ROW_GAP_DEG)
    return np.asarray(np.add.reduceat(elevation, starts) / np.diff(np.append(starts, len(elevation))), dtype=np.float64)


def _evenly_spaced(rows_deg: npt.NDArray[np.float64], lower_deg: float, step_deg: float) -> bool:
    """Return whether each row is an integer number of steps above the lowest elevation."""
    steps = (rows_deg - lower_deg) / step_deg
    return bool((np.abs(steps - np.rint(steps)) * step_deg <= ROW_TOLERANCE_DEG).all() and steps[0] > -0.5)


def _position_and_speed(path: Path) -> tuple[npt.NDArray[np.float64] | None, float]:
    try:
        values = files.read_key_values(path, last_key=LIDAR_MATRIX)
        state = ego_state({key: values[key] for key in (LIDAR_MATRIX, SPEED) if key in values}, np.eye(4))
    except ValueError:
        return None, 0.0  # the reader reports it with its frame
    if state.world_SE3_ego is None or state.speed_mps is None:
        return None, 0.0
    return state.world_SE3_ego[:3, 3], state.speed_mps


def _png_size(path: Path) -> tuple[int, int] | None:
    """Height and width from a PNG's header; None if it is damaged, which the reader reports with its frame."""
    try:
        height, width = files.png_size(path)
    except FileError:
        return None
    return (height, width) if 0 < height * width <= MAX_PIXELS else None


def _rows(args: LidarArgs) -> str:
    return f"{args.channels} channels from {args.lower_fov:g} to {args.upper_fov:g} degrees"
