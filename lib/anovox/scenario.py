"""What a scenario folder holds before any frame is read: its cameras, its LiDARs, their calibration and files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from lib.anovox import files, layout
from lib.anovox.decoders import RELEASE, Decoders
from lib.anovox.findings import Finding, Notice, ScenarioError, ScenarioReason
from lib.anovox.folders import FrameFiles, list_files
from lib.anovox.old_layout import adapted_files, anomaly_id_of, is_old_layout, old_decoders, old_sensor_setup
from lib.anovox.recording import ScenarioConfig, SensorPose
from lib.anovox.setup import CameraRig, LidarRig, SensorSetup, read_sensor_setup
from lib.anovox.state import anomaly_of
from lib.frame import Lidar, ScenarioType
from lib.geometry.camera import Camera
from lib.geometry.rigid import Matrix, invert, vehicle_SE3_sensor

Sensors = Literal["forward", "all"]


@dataclass(frozen=True, eq=False)
class CameraView:
    """One camera of a scenario. `camera_SE3_lidar` (4, 4) takes the points of the scenario's frames to its frame."""

    name: str
    rig: CameraRig
    camera: Camera
    camera_SE3_lidar: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scenario:
    """One scenario folder, the cameras chosen in it and the LiDARs that go with them.

    `vehicle_SE3_points` (4, 4): the frame of the points, that of the LiDAR, or the vehicle's where there are several;
    `vehicle_SE3_action` (4, 4): the LiDAR whose matrix ACTION files hold.
    `files` maps a folder of the scenario to its files by frame id; `frame_ids` ascend and hold every tick that any of
    the chosen sensors recorded. `findings`: what is wrong with it and does not hinder.
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
    decoders: Decoders


def open_scenario(path: Path, config: ScenarioConfig | None, sensors: Sensors = "forward") -> Scenario:
    """Read a scenario's sensor setup and list its files.

    `forward`: the camera that looks most nearly forward and the LiDAR at its pose, or else the nearest one. `all`:
    every camera with RGB, depth and semantic images, and every LiDAR. Cameras and LiDARs are paired by the calibration.
    `config` None: the type is read from the files. Raises ScenarioError when the scenario cannot be used.
    """
    listing = list_files(path)
    config = config or _config_by_files(path, listing)
    decoders, findings, old = RELEASE, tuple[Finding, ...](), is_old_layout(path, listing)
    if old:
        blueprint = config.anomaly_blueprint or _config_by_files(path, listing).anomaly_blueprint
        decoders = old_decoders(anomaly_id_of(blueprint))
        listing, findings = adapted_files(path, listing, decoders)
    setup, absent = _sensor_setup(path, listing, old)
    camera_rigs, lidar_rigs = _chosen(path, setup, sensors)
    try:
        cameras, lidars = ([_extrinsics(rig.pose) for rig in rigs] for rigs in (camera_rigs, lidar_rigs))
        action = _extrinsics(setup.action_pose(layout.LIDAR) or SensorPose())
    except ValueError as error:
        message = f"{path / layout.SENSOR_SETUP}: {error}; such sensor sets are not supported, remove the scenario"
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, message) from None
    held = [listing[folder] for rig in camera_rigs for folder in rig.folders.values()]
    held += [listing[folder] for rig in lidar_rigs for folder in rig.folders.values()]
    frame_ids = tuple(sorted({frame_id for found in held for frame_id in (*found.paths, *found.duplicates)}))
    if not frame_ids:
        message = f"{path}: holds no frame of its camera and LiDAR; unpack the archive again or remove the scenario"
        raise ScenarioError(ScenarioReason.NO_USABLE_FRAME, message)
    vehicle_SE3_points = lidars[0] if len(lidars) == 1 else np.eye(4)
    names = camera_names(setup) if sensors == "all" else {}
    return Scenario(
        path=path,
        config=config,
        setup=setup,
        views=tuple(
            CameraView(names.get(rig.pose, ""), rig, _camera(rig), invert(vehicle_SE3_camera) @ vehicle_SE3_points)
            for rig, vehicle_SE3_camera in zip(camera_rigs, cameras, strict=True)
        ),
        lidar_rigs=lidar_rigs,
        lidars=tuple(_lidar(rig) for rig in lidar_rigs),
        vehicle_SE3_points=vehicle_SE3_points,
        vehicle_SE3_action=action,
        files=listing,
        frame_ids=frame_ids,
        findings=(*findings, *absent),
        decoders=decoders,
    )


def camera_names(setup: SensorSetup) -> dict[SensorPose, str]:
    """A name per camera pose that fits into a file name: its number in sensor_setup.json and its yaw [degrees]."""
    poses = dict.fromkeys(sensor.pose for sensor in setup.sensors if sensor.kind == layout.RGB)
    return {pose: f"camera{number}_yaw{pose.rotation[2]:g}" for number, pose in enumerate(poses)}


def largest_cloud(scenario: Scenario) -> int:
    """Points of the scenario's largest readable cloud, that of all its LiDARs, by the files' headers; 0 without any."""
    sizes = dict.fromkeys(scenario.frame_ids, 0)
    for rig in scenario.lidar_rigs:
        for frame_id, path in scenario.files[rig.folders[layout.LIDAR]].paths.items():
            try:
                sizes[frame_id] += scenario.decoders.cloud_size(path)
            except files.FileError:
                continue  # the reader reports it with its frame
    return max(sizes.values())


def _config_by_files(path: Path, listing: Mapping[str, FrameFiles]) -> ScenarioConfig:
    """The type by the ANOMALY folder: none in normality; a vehicle is the dynamic kind. Labels have the last word."""
    blueprint, scenario_type = None, ScenarioType.NORMALITY
    for file in listing[layout.ANOMALY].paths.values() if layout.ANOMALY in listing else ():
        scenario_type = ScenarioType.STATIC
        try:
            blueprint = anomaly_of(files.read_key_values(file)).blueprint
        except files.FileError:
            continue  # the reader reports it with its frame
        if blueprint and blueprint.startswith("vehicle."):
            scenario_type = ScenarioType.DYNAMIC
        break
    return ScenarioConfig(path.name, scenario_type, town="", weather_preset="", anomaly_blueprint=blueprint)


def _sensor_setup(path: Path, listing: Mapping[str, FrameFiles], old: bool) -> tuple[SensorSetup, tuple[Finding, ...]]:
    """The setup without the sensors whose folder is not there, and a finding for each of these."""
    source = path / layout.SENSOR_SETUP
    if old:
        images = listing[layout.OLD_RGB].paths.values() if layout.OLD_RGB in listing else ()
        setup, author = old_sensor_setup(images), "AnoVox's old sample layout"
    elif source.is_file():
        setup, author = read_sensor_setup(source), layout.SENSOR_SETUP
    else:
        message = f"{source}: missing; unpack the archive again or remove the scenario"
        raise ScenarioError(ScenarioReason.MISSING_SENSOR_SETUP, message)
    absent = [sensor.folder for sensor in setup.sensors if sensor.saved and sensor.folder not in listing]
    sentence = "there is no such folder, though {} names it; its data are left out, unpack the archive again"
    messages = [f"{path / folder}: {sentence.format(author)}" for folder in absent]
    findings = tuple(Finding(Notice.MISSING_SENSOR_FOLDER, message) for message in messages)
    return setup.without(absent), findings


def _chosen(path: Path, setup: SensorSetup, sensors: Sensors) -> tuple[tuple[CameraRig, ...], tuple[LidarRig, ...]]:
    cameras = [rig for rig in setup.cameras if {layout.RGB, layout.DEPTH, layout.SEMANTIC} <= rig.folders.keys()]
    lidars = [rig for rig in setup.lidars if layout.LIDAR in rig.folders]
    if not cameras or not lidars:
        lacking = "LIDAR" if cameras else "RGB-CAM with DEPTH_CAM and SEMANTIC-CAM at its pose"
        message = f"{path}: there is no saved {lacking} whose folder is there; unpack the archive again"
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


def _extrinsics(pose: SensorPose) -> Matrix:
    return vehicle_SE3_sensor(pose.location, pose.rotation)


def _camera(rig: CameraRig) -> Camera:
    return Camera.from_fov(rig.args.image_width, rig.args.image_height, rig.args.camera_fov)


def _lidar(rig: LidarRig) -> Lidar:
    args, pose = rig.args, rig.pose
    return Lidar(args.channels, args.upper_fov, args.lower_fov, args.range, pose.location, pose.rotation)
