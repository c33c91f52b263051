"""sensor_setup.json: the sensors of a vehicle, grouped by pose."""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from lib.anovox.format import files, layout
from lib.anovox.format.recording import (
    CAMERA_SENSORS,
    LIDAR_SENSORS,
    SENSOR_POSES,
    CameraArgs,
    LidarArgs,
    SensorPose,
    SensorSet,
)
from lib.reading.file_errors import MAX_PIXELS, FileError
from lib.reading.findings import ScenarioError, ScenarioReason

MAX_SETUP_BYTES: Final = 1_000_000
MAX_CHANNELS: Final = 4_096
MAX_LOCATION_M: Final = 100.0
REMEDY: Final = "take the file from the archive again"

Args = TypeVar("Args", CameraArgs, LidarArgs)


@dataclass(frozen=True)
class Sensor:
    """One entry of sensor_setup.json: its folder (the entry's key), type, pose and arguments."""

    folder: str
    kind: str
    pose: SensorPose
    args: CameraArgs | LidarArgs
    saved: bool = True


@dataclass(frozen=True)
class Rig(Generic[Args]):
    """The cameras or the LiDARs of one pose: `folders` maps a sensor type (RGB-CAM, LIDAR, ...) to its folder."""

    pose: SensorPose
    args: Args
    folders: dict[str, str]


CameraRig = Rig[CameraArgs]
LidarRig = Rig[LidarArgs]


@dataclass(frozen=True)
class SensorSetup:
    """The cameras and LiDARs of a vehicle in the file's order, including those whose data were not saved."""

    sensors: tuple[Sensor, ...]

    @property
    def cameras(self) -> tuple[CameraRig, ...]:
        """The saved cameras by pose, in the file's order of poses."""
        return self._rigs(CameraArgs)

    @property
    def lidars(self) -> tuple[LidarRig, ...]:
        """The saved LiDARs by pose, in the file's order of poses."""
        return self._rigs(LidarArgs)

    def without(self, folders: Collection[str]) -> "SensorSetup":
        """Copy of the setup in which the sensors of these folders are marked as not saved."""
        return SensorSetup(tuple(replace(s, saved=s.saved and s.folder not in folders) for s in self.sensors))

    def action_pose(self, kind: str) -> SensorPose | None:
        """Pose of the RGB-CAM or LIDAR (`kind`) whose matrix ACTION files hold; None if there is no such sensor.

        AnoVox's generator (Scenarios/Util.py) uses the last one it spawned, saved or not: the last in the file.
        """
        return next((sensor.pose for sensor in reversed(self.sensors) if sensor.kind == kind), None)

    def _rigs(self, args: type[Args]) -> tuple[Rig[Args], ...]:
        rigs: dict[SensorPose, Rig[Args]] = {}
        for sensor in self.sensors:
            if sensor.saved and isinstance(sensor.args, args):
                rigs.setdefault(sensor.pose, Rig(sensor.pose, sensor.args, {})).folders[sensor.kind] = sensor.folder
        return tuple(rigs.values())


def sensor_setup(sensors: SensorSet) -> SensorSetup:
    """Setup of a sensor set as AnoVox writes it: all six sensor types at each pose, saved or not."""
    placed: list[tuple[str, SensorPose, CameraArgs | LidarArgs, bool]] = []
    for pose in sensors.poses:
        placed += [(kind, pose, sensors.camera_args, pose in sensors.cameras) for kind in CAMERA_SENSORS]
        placed += [(kind, pose, sensors.lidar_args, pose in sensors.lidars) for kind in LIDAR_SENSORS]
    names = [layout.sensor_name(kind, pose, args) for kind, pose, args, _ in placed]
    return SensorSetup(tuple(Sensor(name, *sensor) for name, sensor in zip(names, placed, strict=True)))


def sensor_setup_of_folders(folders: Iterable[str]) -> SensorSetup:
    """Setup from the names of sensor folders, with AnoVox's default arguments; other folders are ignored.

    ACTION files hold the matrices of the last camera and LiDAR in AnoVox's order, saved or not. So if the poses are
    those of one of AnoVox's sensor sets, they get that set's order and its unsaved sensors; otherwise they are sorted.
    """
    named = {folder: layout.parse_sensor_name(folder) for folder in folders}
    by_place = {parsed: folder for folder, parsed in named.items() if parsed is not None}
    found = {pose for _, pose in by_place}
    sets = (SensorSet(cameras, lidars).poses for cameras, lidars in SENSOR_POSES.values())
    poses = next((poses for poses in sets if set(poses) == found), None)
    sensors = [
        Sensor(folder, kind, pose, CameraArgs() if kind in CAMERA_SENSORS else LidarArgs(), saved=bool(folder))
        for pose in poses or sorted(found)
        for kind in (*CAMERA_SENSORS, *LIDAR_SENSORS)
        if (folder := by_place.get((kind, pose), "")) or poses
    ]
    return SensorSetup(tuple(sensors))


def read_sensor_setup(path: Path) -> SensorSetup:
    """Read and check sensor_setup.json; sensors of other types than AnoVox's six are ignored.

    Raises ScenarioError, whose message names the file, the sensor and what is wrong.
    """
    try:
        document = files.read_json(path, MAX_SETUP_BYTES)
    except FileError as error:
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, str(error)) from None
    if not isinstance(document, dict):
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, f"{path}: not a JSON object of sensors; {REMEDY}")
    sensors: list[Sensor] = []
    for folder, entry in document.items():
        try:
            sensor = _sensor(folder, entry)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            message = f"{path}: sensor {folder!r}: {problem}; {REMEDY}"
            raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, message) from None
        if sensor is not None:
            _check_pose(f"{path}: sensor {folder!r}", sensor, sensors)
            sensors.append(sensor)
    return SensorSetup(tuple(sensors))


def write_sensor_setup(path: Path, setup: SensorSetup) -> None:
    """Write sensor_setup.json."""
    document = {
        sensor.folder: {
            "sensor_type": sensor.kind,
            "file_ending": layout.FILE_ENDINGS[sensor.kind],
            "location": list(sensor.pose.location),
            "rotation": list(sensor.pose.rotation),
            "args": asdict(sensor.args),
            "save_data": sensor.saved,
        }
        for sensor in setup.sensors
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def _sensor(folder: str, entry: Any) -> Sensor | None:
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    kind, saved = entry["sensor_type"], bool(entry.get("save_data", True))
    if kind not in (*CAMERA_SENSORS, *LIDAR_SENSORS):
        return None
    if Path(folder).name != folder or folder in (".", ".."):
        raise ValueError("its name is not that of a folder")
    pose = SensorPose(_triple(entry, "location"), _triple(entry, "rotation"))
    if max(abs(metres) for metres in pose.location) > MAX_LOCATION_M:
        raise ValueError(f"location is {list(pose.location)}, which is more than {MAX_LOCATION_M:g} m from the vehicle")
    args = entry["args"]
    if not isinstance(args, dict):
        raise ValueError("args is not a JSON object")
    return Sensor(folder, kind, pose, _camera_args(args) if kind in CAMERA_SENSORS else _lidar_args(args), saved)


def _check_pose(name: str, sensor: Sensor, others: Sequence[Sensor]) -> None:
    """Raise ScenarioError if the sensor conflicts with another saved sensor of its pose."""
    for other in others:
        if not (sensor.saved and other.saved) or sensor.pose != other.pose:
            continue
        if sensor.kind == other.kind:
            problem = f"a second {sensor.kind} at the pose of {other.folder!r}, so it is unclear which one to use"
            message = f"{name}: {problem}; set save_data of one of them to false"
            raise ScenarioError(ScenarioReason.TWO_SENSORS_AT_ONE_POSE, message)
        # Image sizes are not compared: they are read from the images later (lib.anovox.reading.measured).
        views = [args.camera_fov for args in (sensor.args, other.args) if isinstance(args, CameraArgs)]
        if len(set(views)) > 1:
            message = f"{name}: its field of view differs from that of the other cameras of its pose; {REMEDY}"
            raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, message)


def _triple(entry: Mapping[str, Any], key: str) -> tuple[float, float, float]:
    values = entry[key]
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError(f"{key} is not a list of three numbers")
    x, y, z = (_number(value, key) for value in values)
    return x, y, z


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key} is not a finite number")
    return value


def _camera_args(args: Mapping[str, Any]) -> CameraArgs:
    height, width = (_whole(args[key], key, MAX_PIXELS) for key in ("image_height", "image_width"))
    if height * width > MAX_PIXELS:
        most = f"the {MAX_PIXELS:,} pixels of any camera here"
        raise ValueError(f"an image of {height} x {width} has more than {most}")
    fov_deg = _number(args["camera_fov"], "camera_fov")
    if not 1 <= fov_deg <= 179:
        raise ValueError(f"camera_fov is {fov_deg}, which is not between 1 and 179 degrees")
    return CameraArgs(height, width, float(fov_deg))


def _lidar_args(args: Mapping[str, Any]) -> LidarArgs:
    channels = _whole(args["channels"], "channels", MAX_CHANNELS)
    numbers: dict[str, Any] = {f.name: _number(args[f.name], f.name) for f in fields(LidarArgs) if f.name in args}
    lidar = LidarArgs(**{**numbers, "channels": channels})
    if not (-90 <= lidar.lower_fov < lidar.upper_fov <= 90 and lidar.range > 0 and lidar.noise_stddev >= 0):
        raise ValueError("its range, upper_fov, lower_fov or noise_stddev is impossible for a LiDAR")
    return lidar


def _whole(value: Any, key: str, highest: int) -> int:
    number = _number(value, key)
    if number != int(number) or not 1 <= number <= highest:
        raise ValueError(f"{key} is {value}, which is not a whole number from 1 to {highest}")
    return int(number)
