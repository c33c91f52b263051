"""Opening a scenario folder, before any frame is read: its cameras, LiDARs, calibration and files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from lib.anovox.format import files, layout
from lib.anovox.format.clouds import cloud_size
from lib.anovox.format.colors import anomaly_id_of
from lib.anovox.format.ego_state import anomaly_of
from lib.anovox.format.folders import FrameFiles, list_files
from lib.anovox.format.old_layout import adapted_files, is_old_layout, old_sensor_setup
from lib.anovox.format.recording import ScenarioConfig, SensorPose
from lib.anovox.format.sensor_setup import CameraRig, LidarRig, SensorSetup, read_sensor_setup, sensor_setup_of_folders
from lib.anovox.reading.measured import (
    SECONDS_PER_TICK,
    corrected,
    differing_ticks_s,
    seconds_per_tick,
    tick_estimates_s,
)
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Lidar, ScenarioType
from lib.geometry.rigid import invert, vehicle_SE3_sensor
from lib.reading.file_errors import FileError
from lib.reading.findings import Finding, Notice, ScenarioError, ScenarioReason
from lib.reading.pcd import require_pcd_library

Sensors = Literal["forward", "all"]


@dataclass(frozen=True, eq=False)
class CameraView:
    """One camera of a scenario, with its calibration for the points of the scenario's frames."""

    name: str
    rig: CameraRig
    calibration: Calibration

    @property
    def camera(self) -> Camera:
        """The camera's intrinsics."""
        return self.calibration.camera


@dataclass(frozen=True, eq=False)
class Scenario:
    """One scenario folder with its selected cameras and LiDARs.

    `vehicle_SE3_points` (4, 4): frame of the points: the LiDAR's, or the vehicle's if there are several LiDARs;
    `vehicle_SE3_action` (4, 4): pose of the LiDAR whose matrix ACTION files hold.
    `files` maps a folder's name to its files by frame id; `frame_ids`: all ticks, ascending, at which any of the
    selected sensors recorded; `seconds_per_tick`: time between consecutive ids. `anomaly_id`: class of the colour that
    all anomalies share, if classes are stored as colours. `findings`: problems despite which the scenario is used.
    """

    path: Path
    config: ScenarioConfig
    setup: SensorSetup
    views: tuple[CameraView, ...]
    lidar_rigs: tuple[LidarRig, ...]
    lidars: tuple[Lidar, ...]
    vehicle_SE3_points: npt.NDArray[np.float64]
    vehicle_SE3_action: npt.NDArray[np.float64]
    files: Mapping[str, FrameFiles]
    frame_ids: tuple[int, ...]
    findings: tuple[Finding, ...]
    anomaly_id: int
    seconds_per_tick: float
    labelled: bool


def open_scenario(
    path: Path, config: ScenarioConfig | None, sensors: Sensors = "forward", labelled: bool = True
) -> Scenario:
    """Read a scenario's sensor setup, correct it by its files, and list its files.

    `sensors`: "forward" selects the camera whose yaw is nearest to 0 and the LiDAR nearest to it; "all" selects every
    camera with RGB, depth and semantic images, and every LiDAR. If not `labelled`, images and clouds suffice, and
    nothing else is read. Without `config`, the type is read from the files. Raises ScenarioError if the scenario cannot
    be used.
    """
    listing = list_files(path)
    config = config or _config_from_files(path, listing)
    findings, old = tuple[Finding, ...](), is_old_layout(path, listing)
    if any(file.suffix == ".pcd" for found in listing.values() for file in found.paths.values()):
        require_pcd_library()
    if old:
        listing, findings = adapted_files(path, listing)
    setup, absent = _sensor_setup(path, listing, old)
    setup, measured = corrected(path, setup, listing, (path / layout.SENSOR_SETUP).exists())
    blueprint = config.anomaly_blueprint or _config_from_files(path, listing).anomaly_blueprint
    estimates_s = tick_estimates_s(listing)
    tick_s = seconds_per_tick(estimates_s)
    camera_rigs, lidar_rigs = _choose_sensors(path, setup, sensors, labelled)
    cameras, lidars = ([vehicle_SE3_sensor(*rig.pose) for rig in rigs] for rigs in (camera_rigs, lidar_rigs))
    vehicle_SE3_points = lidars[0] if len(lidars) == 1 else np.eye(4)
    names = camera_names(setup) if sensors == "all" else {}
    return Scenario(
        path=path,
        config=config,
        setup=setup,
        views=tuple(
            CameraView(
                names.get(rig.pose, ""),
                rig,
                Calibration(rig.args.intrinsics(), invert(vehicle_SE3_camera) @ vehicle_SE3_points),
            )
            for rig, vehicle_SE3_camera in zip(camera_rigs, cameras, strict=True)
        ),
        lidar_rigs=lidar_rigs,
        lidars=tuple(_lidar(rig) for rig in lidar_rigs),
        vehicle_SE3_points=vehicle_SE3_points,
        vehicle_SE3_action=vehicle_SE3_sensor(*(setup.action_pose(layout.LIDAR) or SensorPose())),
        files=listing,
        frame_ids=_frame_ids(path, listing, [*camera_rigs, *lidar_rigs], labelled),
        findings=(*findings, *absent, *measured, *_time_findings(path, tick_s, estimates_s)),
        anomaly_id=anomaly_id_of(blueprint),
        seconds_per_tick=tick_s,
        labelled=labelled,
    )


def _frame_ids(
    path: Path, listing: Mapping[str, FrameFiles], rigs: Sequence[CameraRig | LidarRig], labelled: bool
) -> tuple[int, ...]:
    read = (layout.RGB, layout.LIDAR)
    held = [listing[folder] for rig in rigs for kind, folder in rig.folders.items() if labelled or kind in read]
    frame_ids = tuple(sorted({frame_id for found in held for frame_id in (*found.paths, *found.duplicates)}))
    if not frame_ids:
        remedy = "unpack its frames if the archive holds any, or remove the scenario"
        raise ScenarioError(ScenarioReason.NO_USABLE_FRAME, f"{path}: holds no frame of its camera and LiDAR; {remedy}")
    return frame_ids


def camera_names(setup: SensorSetup) -> dict[SensorPose, str]:
    """Name of each camera pose, usable in file names: its index in sensor_setup.json and its yaw [degrees]."""
    poses = dict.fromkeys(sensor.pose for sensor in setup.sensors if sensor.kind == layout.RGB)
    return {pose: f"camera{number}_yaw{pose.rotation[2]:g}" for number, pose in enumerate(poses)}


def largest_cloud(scenario: Scenario) -> int:
    """Number of points of the scenario's largest cloud, over all LiDARs, from the files' headers; 0 without any."""
    return max(cloud_sizes(scenario).values())


def cloud_sizes(scenario: Scenario) -> dict[int, int]:
    """Number of points of each frame's cloud, over all LiDARs, from the files' headers; 0 without a readable one."""
    sizes = dict.fromkeys(scenario.frame_ids, 0)
    for rig in scenario.lidar_rigs:
        for frame_id, path in scenario.files[rig.folders[layout.LIDAR]].paths.items():
            try:
                sizes[frame_id] += cloud_size(path)
            except FileError:
                continue  # the reader reports it with its frame
    return sizes


def times_s(scenario: Scenario) -> dict[int, float]:
    """The time [s] of each tick by its id, since tick 0."""
    return {frame_id: frame_id * scenario.seconds_per_tick for frame_id in scenario.frame_ids}


def _config_from_files(path: Path, listing: Mapping[str, FrameFiles]) -> ScenarioConfig:
    """Infer the type from the ANOMALY folder: absent means NORMALITY, a vehicle DYNAMIC, anything else STATIC."""
    blueprint, scenario_type = None, ScenarioType.NORMALITY
    for file in listing[layout.ANOMALY].paths.values() if layout.ANOMALY in listing else ():
        scenario_type = ScenarioType.STATIC
        try:
            blueprint = anomaly_of(files.read_key_values(file)).blueprint
        except FileError:
            continue  # the reader reports it with its frame
        if blueprint and blueprint.startswith("vehicle."):
            scenario_type = ScenarioType.DYNAMIC
        break
    return ScenarioConfig(path.name, scenario_type, layout.town_in(path), "", blueprint)


def _sensor_setup(path: Path, listing: Mapping[str, FrameFiles], old: bool) -> tuple[SensorSetup, tuple[Finding, ...]]:
    """The setup without sensors whose folder is missing, and a finding for each of these."""
    source, findings = path / layout.SENSOR_SETUP, tuple[Finding, ...]()
    if old:
        setup, author = old_sensor_setup(), "AnoVox's old sample layout"
    elif source.exists():
        setup, author = read_sensor_setup(source), layout.SENSOR_SETUP
    else:
        setup, author = sensor_setup_of_folders(listing), "the name of its pose"
        if not setup.sensors:
            message = f"{source}: missing, and no folder of the scenario is named as a sensor's; remove the scenario"
            raise ScenarioError(ScenarioReason.MISSING_SENSOR_SETUP, message)
        problem = "missing, so poses are read from the folders' names, and the rest is AnoVox's default"
        findings = (Finding(Notice.ASSUMED_SENSOR_SETUP, f"{source}: {problem}; restore the file if you have it"),)
    absent = [sensor.folder for sensor in setup.sensors if sensor.saved and sensor.folder not in listing]
    sentence = f"missing, though {author} names this folder; its data are skipped, unpack it if the archive has it"
    missing = (Finding(Notice.MISSING_SENSOR_FOLDER, f"{path / folder}: {sentence}") for folder in absent)
    return setup.without(absent), (*findings, *missing)


def _time_findings(path: Path, tick_s: float, estimates_s: Sequence[float]) -> Iterator[Finding]:
    differing = differing_ticks_s(estimates_s)
    if differing:
        shortest, longest = differing
        problem = f"show {shortest:.2g} s between frame ids in a part of the drive, and {longest:.2g} s in another"
        message = (
            f"{path}: speeds and positions in ACTION {problem}, taken as {tick_s:g}; split it where the rate changes"
        )
        yield Finding(Notice.SEVERAL_TIME_STEPS, message)
    if tick_s != SECONDS_PER_TICK:
        problem = f"show {tick_s:g} s between frame ids, where AnoVox has {SECONDS_PER_TICK:g}"
        message = f"{path}: speeds and positions in ACTION {problem}; nothing to do: the value from ACTION is used"
        yield Finding(Notice.OTHER_TIME_STEP, message)


def _choose_sensors(
    path: Path, setup: SensorSetup, sensors: Sensors, labelled: bool
) -> tuple[tuple[CameraRig, ...], tuple[LidarRig, ...]]:
    needed = {layout.RGB, layout.DEPTH, layout.SEMANTIC} if labelled else {layout.RGB}
    cameras = [rig for rig in setup.cameras if needed <= rig.folders.keys()]
    lidars = [rig for rig in setup.lidars if layout.LIDAR in rig.folders]
    if not cameras or not lidars:
        of_camera = "RGB-CAM with DEPTH_CAM and SEMANTIC-CAM at its pose" if labelled else "RGB-CAM"
        lacking = "LIDAR" if cameras else of_camera
        message = f"{path}: has no folder of a saved {lacking}; unpack it if the archive has it"
        raise ScenarioError(ScenarioReason.NO_SENSOR_PAIR, message)
    if sensors == "all":
        return tuple(cameras), tuple(lidars)
    camera = min(cameras, key=lambda rig: _turn_deg(rig.pose.rotation[2], 0.0))
    return (camera,), (min(lidars, key=lambda rig: _distance(rig.pose, camera.pose)),)


def _distance(pose: SensorPose, other: SensorPose) -> tuple[float, float]:
    location_m = float(np.linalg.norm(np.subtract(pose.location, other.location)))
    return location_m, _turn_deg(pose.rotation[2], other.rotation[2])


def _turn_deg(yaw_deg: float, other_deg: float) -> float:
    return abs((yaw_deg - other_deg + 180.0) % 360.0 - 180.0)


def _lidar(rig: LidarRig) -> Lidar:
    args, pose = rig.args, rig.pose
    return Lidar(args.channels, args.upper_fov, args.lower_fov, args.range, pose.location, pose.rotation)
