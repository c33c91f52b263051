"""Scenario folders: finding them, and what each holds before any frame is read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lib.anovox import files, layout
from lib.anovox.recording import ScenarioConfig, SensorPose
from lib.anovox.setup import CameraRig, LidarRig, SensorSetup, read_sensor_setup
from lib.anovox.state import anomaly_of
from lib.errors import DataError
from lib.frame import Lidar, ScenarioType
from lib.geometry.camera import Camera
from lib.geometry.rigid import invert, vehicle_SE3_sensor


class ScenarioReason(StrEnum):
    """Why a scenario cannot be used; the keys by which metrics/data.json counts them."""

    MISSING_SENSOR_SETUP = "missing_sensor_setup"
    BAD_SENSOR_SETUP = "bad_sensor_setup"
    NO_SENSOR_PAIR = "no_sensor_pair"
    NO_USABLE_FRAME = "no_usable_frame"


class ScenarioError(DataError):
    """One scenario cannot be used."""

    def __init__(self, reason: ScenarioReason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[1])


@dataclass(frozen=True, eq=False)
class Scenario:
    """One scenario folder, its forward camera and the LiDAR paired with it.

    `files` maps a folder of the scenario to its files by frame id; `frame_ids` ascend and hold every tick that any of
    the paired sensors recorded. `camera_SE3_lidar` (4, 4) takes LiDAR points to the camera's frame.
    """

    path: Path
    config: ScenarioConfig
    setup: SensorSetup
    camera_rig: CameraRig
    lidar_rig: LidarRig
    camera: Camera
    lidar: Lidar
    camera_SE3_lidar: npt.NDArray[np.float64]
    vehicle_SE3_lidar: npt.NDArray[np.float64]
    files: Mapping[str, Mapping[int, Path]]
    frame_ids: tuple[int, ...]


def find_scenarios(root: Path) -> tuple[Path, ...]:
    """All `Scenario_*` folders below `root`, at any depth, sorted by name.

    Symbolic links are followed, none twice. Raises DataError when `root` is missing, holds no scenario, or holds two
    scenarios of one name.
    """
    remedy = "set data.root to a folder that holds Scenario_* folders"
    if not root.is_dir():
        problem = "not a folder" if root.exists() else "there is no such folder"
        raise DataError(f"{root}: {problem}; {remedy} (or run the stage `simulate` for the built-in sample)")
    found: dict[str, Path] = {}
    for folder in _walk(root):
        if layout.is_scenario_name(folder.name):
            if folder.name in found:
                raise DataError(f"{folder}: also lies at {found[folder.name]}; remove one of them from data.root")
            found[folder.name] = folder
    if not found:
        raise DataError(f"{root}: holds no Scenario_* folder at any depth; {remedy}")
    return tuple(found[name] for name in sorted(found))


def read_configurations(root: Path) -> dict[str, ScenarioConfig]:
    """What the `Scenario_Configuration_Files` below `root` say, by scenario folder name; empty where there are none.

    Raises DataError when such a file is damaged or two of them contradict each other.
    """
    configs: dict[str, ScenarioConfig] = {}
    for folder in _walk(root):
        if folder.name != layout.CONFIGURATION_FOLDER:
            continue
        for path in sorted(folder.glob("*.json")):
            for config in _configurations(path):
                if configs.setdefault(config.name, config) != config:
                    raise DataError(f"{path}: contradicts another configuration of {config.name}; remove one of them")
    return configs


def open_scenario(path: Path, config: ScenarioConfig | None) -> Scenario:
    """Read a scenario's sensor setup and list its files.

    The camera is the one that looks most nearly forward; its LiDAR stands at the same pose, or else the nearest does,
    paired through the calibration. `config` None: the type is read from the files. Raises ScenarioError when the
    scenario cannot be used.
    """
    setup = _sensor_setup(path)
    camera_rig, lidar_rig = _sensor_pair(path, setup)
    try:
        camera_pose, lidar_pose = (
            vehicle_SE3_sensor(rig.pose.location, rig.pose.rotation) for rig in (camera_rig, lidar_rig)
        )
    except ValueError as error:
        message = f"{path / layout.SENSOR_SETUP}: {error}; such sensor sets are not supported, remove the scenario"
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, message) from None
    listing = _listing(path)
    paired = [*camera_rig.folders.values(), *lidar_rig.folders.values()]
    frame_ids = tuple(sorted({frame_id for folder in paired for frame_id in listing.get(folder, {})}))
    if not frame_ids:
        message = f"{path}: holds no frame of its camera and LiDAR; unpack the archive again or remove the scenario"
        raise ScenarioError(ScenarioReason.NO_USABLE_FRAME, message)
    args = lidar_rig.args
    return Scenario(
        path=path,
        config=config or _config_by_files(path, listing),
        setup=setup,
        camera_rig=camera_rig,
        lidar_rig=lidar_rig,
        camera=Camera.from_fov(camera_rig.args.image_width, camera_rig.args.image_height, camera_rig.args.camera_fov),
        lidar=Lidar(args.channels, args.upper_fov, args.lower_fov, args.range, *_pose(lidar_rig.pose)),
        camera_SE3_lidar=invert(camera_pose) @ lidar_pose,
        vehicle_SE3_lidar=lidar_pose,
        files=listing,
        frame_ids=frame_ids,
    )


def largest_cloud(scenario: Scenario) -> int:
    """Points of the scenario's largest readable LIDAR cloud, by the files' headers; 0 when none can be read."""
    largest = 0
    for path in scenario.files.get(scenario.lidar_rig.folders[layout.LIDAR], {}).values():
        try:
            largest = max(largest, files.lidar_size(path))
        except files.FileError:
            continue  # the reader reports it with its frame
    return largest


def _walk(root: Path) -> list[Path]:
    """Folders at and below `root`, in order of their paths: no hidden ones, no insides of scenarios, none twice."""
    folders, waiting, seen = [], [root], set()
    while waiting:
        folder = waiting.pop()
        identity = folder.resolve()
        if identity in seen:
            continue
        seen.add(identity)
        folders.append(folder)
        if layout.is_scenario_name(folder.name) and folder != root:
            continue
        try:
            with os.scandir(folder) as entries:
                names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
        except OSError as error:
            raise DataError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from None
        waiting += [folder / name for name in reversed(names)]
    return folders


def _configurations(path: Path) -> list[ScenarioConfig]:
    document = files.read_json(path)
    try:
        definition = document["scenario_definition"]
        return [_configuration(definition["map"], entry) for entry in definition["scenarios"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"not a scenario configuration ({type(error).__name__}: {error})"
        remedy = "take it from the archive again, or delete it: the scenarios' types are then read from their files"
        raise DataError(f"{path}: {problem}; {remedy}") from None


def _configuration(town: str, entry: Mapping[str, Any]) -> ScenarioConfig:
    anomaly = entry["anomaly_config"]
    return ScenarioConfig(
        name=layout.SCENARIO_PREFIX + str(entry["id"]).removeprefix(layout.SCENARIO_PREFIX),
        type=ScenarioType(str(anomaly["anomalytype"]).upper()),
        town=str(town),
        weather_preset=str(entry.get("weather_preset") or ""),
        anomaly_blueprint=anomaly.get("anomaly_bp_name"),
    )


def _config_by_files(path: Path, listing: Mapping[str, Mapping[int, Path]]) -> ScenarioConfig:
    """The type by the ANOMALY folder: none in normality; a vehicle is the dynamic kind. Labels have the last word."""
    blueprint, scenario_type = None, ScenarioType.NORMALITY
    for file in listing.get(layout.ANOMALY, {}).values():
        scenario_type = ScenarioType.STATIC
        try:
            blueprint = anomaly_of(files.read_key_values(file)).blueprint
        except files.FileError:
            continue  # the reader reports it with its frame
        if blueprint and blueprint.startswith("vehicle."):
            scenario_type = ScenarioType.DYNAMIC
        break
    return ScenarioConfig(path.name, scenario_type, town="", weather_preset="", anomaly_blueprint=blueprint)


def _sensor_setup(path: Path) -> SensorSetup:
    setup_path = path / layout.SENSOR_SETUP
    if not setup_path.is_file():
        message = f"{setup_path}: missing; unpack the archive again or remove the scenario"
        raise ScenarioError(ScenarioReason.MISSING_SENSOR_SETUP, message)
    try:
        return read_sensor_setup(setup_path)
    except DataError as error:
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, str(error)) from None


def _sensor_pair(path: Path, setup: SensorSetup) -> tuple[CameraRig, LidarRig]:
    cameras = [rig for rig in setup.cameras if {layout.RGB, layout.DEPTH, layout.SEMANTIC} <= rig.folders.keys()]
    lidars = [rig for rig in setup.lidars if layout.LIDAR in rig.folders]
    if not cameras or not lidars:
        lacking = "LIDAR" if cameras else "RGB-CAM with DEPTH_CAM and SEMANTIC-CAM at its pose"
        message = f"{path / layout.SENSOR_SETUP}: lists no saved {lacking}; remove the scenario"
        raise ScenarioError(ScenarioReason.NO_SENSOR_PAIR, message)
    camera = min(cameras, key=lambda rig: _turn_deg(rig.pose.rotation[2], 0.0))
    return camera, min(lidars, key=lambda rig: _distance(rig.pose, camera.pose))


def _distance(pose: SensorPose, other: SensorPose) -> tuple[float, float]:
    location_m = float(np.linalg.norm(np.subtract(pose.location, other.location)))
    return location_m, _turn_deg(pose.rotation[2], other.rotation[2])


def _turn_deg(yaw_deg: float, other_deg: float) -> float:
    return abs((yaw_deg - other_deg + 180.0) % 360.0 - 180.0)


def _pose(pose: SensorPose) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    return pose.location, pose.rotation


def _listing(path: Path) -> dict[str, dict[int, Path]]:
    try:
        return {folder.name: _files_by_frame(folder) for folder in sorted(path.iterdir()) if folder.is_dir()}
    except OSError as error:
        message = f"{error.filename}: cannot be listed ({error.strerror}); check its permissions"
        raise ScenarioError(ScenarioReason.NO_USABLE_FRAME, message) from None


def _files_by_frame(folder: Path) -> dict[int, Path]:
    """A folder's files by frame id, ascending. Of two files of one id the last by name counts."""
    ending = next((e for kind, e in layout.FILE_ENDINGS.items() if folder.name.startswith(kind)), None)
    found = {layout.frame_id_of(file): file for file in sorted(folder.iterdir()) if file.suffix == ending}
    return {frame_id: found[frame_id] for frame_id in sorted(id for id in found if id is not None)}
