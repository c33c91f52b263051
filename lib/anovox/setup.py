"""sensor_setup.json: which sensors stand where, grouped by pose."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from lib.anovox import files
from lib.anovox.recording import CAMERA_SENSORS, LIDAR_SENSORS, CameraArgs, LidarArgs, SensorPose
from lib.errors import DataError

MAX_IMAGE_SIZE: Final = 16_384
MAX_CHANNELS: Final = 4_096
REMEDY: Final = "take the file from the archive again"


@dataclass(frozen=True)
class CameraRig:
    """The cameras of one pose: `folders` maps a sensor type (RGB-CAM, ...) to its folder."""

    pose: SensorPose
    args: CameraArgs
    folders: Mapping[str, str]


@dataclass(frozen=True)
class LidarRig:
    """The LiDARs of one pose: `folders` maps a sensor type (LIDAR, SEMANTIC-LIDAR) to its folder."""

    pose: SensorPose
    args: LidarArgs
    folders: Mapping[str, str]


@dataclass(frozen=True)
class SensorSetup:
    """All sensors whose data were saved, in the file's order of poses."""

    cameras: tuple[CameraRig, ...]
    lidars: tuple[LidarRig, ...]


def read_sensor_setup(path: Path) -> SensorSetup:
    """Read and check sensor_setup.json; raises DataError that names the file, the sensor and what is wrong."""
    document = files.read_json(path)
    if not isinstance(document, dict):
        raise DataError(f"{path}: not a JSON object of sensors; {REMEDY}")
    cameras: dict[SensorPose, CameraRig] = {}
    lidars: dict[SensorPose, LidarRig] = {}
    for folder, entry in document.items():
        try:
            _add_sensor(folder, entry, cameras, lidars)
        except (KeyError, TypeError, ValueError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{path}: sensor {folder!r}: {problem}; {REMEDY}") from None
    return SensorSetup(tuple(cameras.values()), tuple(lidars.values()))


def _add_sensor(
    folder: str, entry: Any, cameras: dict[SensorPose, CameraRig], lidars: dict[SensorPose, LidarRig]
) -> None:
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    kind = entry["sensor_type"]
    if kind not in (*CAMERA_SENSORS, *LIDAR_SENSORS) or not entry.get("save_data", True):
        return
    if Path(folder).name != folder or folder in (".", ".."):
        raise ValueError("its name is not that of a folder")
    pose = SensorPose(_triple(entry, "location"), _triple(entry, "rotation"))
    if kind in CAMERA_SENSORS:
        camera = cameras.setdefault(pose, CameraRig(pose, _camera_args(entry["args"]), {}))
        if camera.args != _camera_args(entry["args"]):
            raise ValueError("its image differs in size or field of view from the other cameras of its pose")
        cameras[pose] = replace(camera, folders={**camera.folders, kind: folder})
    else:
        lidar = lidars.setdefault(pose, LidarRig(pose, _lidar_args(entry["args"]), {}))
        lidars[pose] = replace(lidar, folders={**lidar.folders, kind: folder})


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
    height, width = (_whole(args[key], key, MAX_IMAGE_SIZE) for key in ("image_height", "image_width"))
    fov_deg = _number(args["camera_fov"], "camera_fov")
    if not 1 <= fov_deg <= 179:
        raise ValueError(f"camera_fov is {fov_deg}, which is not between 1 and 179 degrees")
    return CameraArgs(height, width, float(fov_deg))


def _lidar_args(args: Mapping[str, Any]) -> LidarArgs:
    channels = _whole(args["channels"], "channels", MAX_CHANNELS)
    numbers: dict[str, Any] = {f.name: _number(args[f.name], f.name) for f in fields(LidarArgs) if f.name in args}
    lidar = LidarArgs(**{**numbers, "channels": channels})
    if not (-90 <= lidar.lower_fov < lidar.upper_fov <= 90 and lidar.range > 0 and lidar.noise_stddev >= 0):
        raise ValueError("its range, upper_fov, lower_fov or noise_stddev cannot be those of a LiDAR")
    return lidar


def _whole(value: Any, key: str, highest: int) -> int:
    number = _number(value, key)
    if number != int(number) or not 1 <= number <= highest:
        raise ValueError(f"{key} is {value}, which is not a whole number from 1 to {highest}")
    return int(number)
