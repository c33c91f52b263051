"""Folder and file names of AnoVox's layouts.

Release: `Scenario_<uuid>/<sensor>/<sensor>_<frame>.<ending>` with `<sensor>` = `<type><location><rotation>_<hash of
args>`, with spaces, brackets and commas; names of VOXEL_GRID, ANOMALY, ACTION and ROUTE_MAP folders have no pose.
Old sample: `Scenario_<id>/<folder>/<folder>_<frame>.<ending>` with the OLD_ names, VOXEL_GRID and ANOMALY.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Final

from lib.anovox.format.recording import CameraArgs, LidarArgs, SensorPose

SCENARIO_PREFIX: Final = "Scenario_"
CONFIGURATION_FOLDER: Final = "Scenario_Configuration_Files"
NO_BLUEPRINT: Final = "---"
"""Placeholder in configuration files for the blueprint of scenarios without an anomaly."""
SENSOR_SETUP: Final = "sensor_setup.json"

RGB: Final = "RGB-CAM"
DEPTH: Final = "DEPTH_CAM"
SEMANTIC: Final = "SEMANTIC-CAM"
INSTANCE: Final = "INSTANCE-CAM"
LIDAR: Final = "LIDAR"
SEMANTIC_LIDAR: Final = "SEMANTIC-LIDAR"
VOXEL_GRID: Final = "VOXEL_GRID"
ANOMALY: Final = "ANOMALY"
ACTION: Final = "ACTION"
ROUTE_MAP: Final = "ROUTE_MAP"
"""Written, never read."""

OLD_RGB: Final = "RGB_IMG"
OLD_DEPTH: Final = "DEPTH_IMG"
OLD_SEMANTIC: Final = "SEMANTIC_IMG"
OLD_LIDAR: Final = "PCD"
OLD_SEMANTIC_LIDAR: Final = "SEMANTIC_PCD"
OLD_ACTION: Final = "ACTION_STATE"

FILE_ENDINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys((RGB, DEPTH, SEMANTIC, INSTANCE), ".png"),
    **dict.fromkeys((LIDAR, SEMANTIC_LIDAR, VOXEL_GRID), ".npy"),
    **dict.fromkeys((ANOMALY, ACTION), ".csv"),
}
OLD_FILE_ENDINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys((OLD_RGB, OLD_DEPTH, OLD_SEMANTIC), ".png"),
    **dict.fromkeys((OLD_LIDAR, OLD_SEMANTIC_LIDAR), ".pcd"),
    OLD_ACTION: ".csv",
}

CLOUD_ENDINGS: Final = (".npy", ".pcd", ".ply")
"""Formats in which a cloud may be stored; AnoVox has .npy in its release and .pcd in the old sample layout."""

_FRAME_ID = re.compile(r"_(\d{1,18})$")
_TRIPLE = r"\(({0}), ({0}), ({0})\)".format(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_SENSOR_NAME = re.compile(rf"({RGB}|{DEPTH}|{SEMANTIC}|{INSTANCE}|{LIDAR}|{SEMANTIC_LIDAR}){_TRIPLE}{_TRIPLE}_-?\d+")
_TOWN = re.compile(r"Town\d\d(HD)?")


def sensor_name(sensor_type: str, pose: SensorPose, args: CameraArgs | LidarArgs) -> str:
    """Folder name of a sensor, such as `RGB-CAM(0, 0, 1.8)(0, 0, 0)_8112341084538454858`.

    The number is a hash of the sensor's arguments; AnoVox's, Python's abs(hash()), changes from run to run.
    """
    digest = hashlib.sha256(json.dumps(asdict(args), sort_keys=True).encode()).digest()
    args_hash = abs(int.from_bytes(digest[:8], "big", signed=True))
    return f"{sensor_type}{pose.location}{pose.rotation}_{args_hash}"


def parse_sensor_name(folder: str) -> tuple[str, SensorPose] | None:
    """Sensor type and pose from a folder's name in the form of `sensor_name`; None for other names."""
    match = _SENSOR_NAME.fullmatch(folder)
    if match is None:
        return None
    kind, *texts = match.groups()
    x, y, z, roll, pitch, yaw = map(_number, texts)
    return kind, SensorPose((x, y, z), (roll, pitch, yaw))


def _number(text: str) -> float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def frame_file(sensor: str, frame_id: int, ending: str) -> str:
    """Path of a frame's file below its scenario: `<sensor>/<sensor>_<frame><ending>`."""
    return f"{sensor}/{sensor}_{frame_id}{ending}"


def kind_of(folder: str) -> str:
    """Kind of a scenario's folder, by its name: RGB-CAM, ..., SEMANTIC_IMG; empty for folders that AnoVox has not."""
    found = next((kind for kind in FILE_ENDINGS if folder.startswith(kind)), "")
    return folder if folder in OLD_FILE_ENDINGS else found


def ending_of(folder: str) -> str:
    """File ending that AnoVox uses in a scenario's folder of this name; empty for folders that AnoVox has not."""
    kind = kind_of(folder)
    return OLD_FILE_ENDINGS.get(kind) or FILE_ENDINGS.get(kind, "")


def endings_of(folder: str) -> tuple[str, ...]:
    """File endings that are read in a scenario's folder of this name."""
    clouds = (LIDAR, SEMANTIC_LIDAR, OLD_LIDAR, OLD_SEMANTIC_LIDAR)
    return CLOUD_ENDINGS if kind_of(folder) in clouds else (ending_of(folder),)


def frame_id_of(path: Path) -> int | None:
    """The trailing integer of a frame's file name, or None for other files."""
    match = _FRAME_ID.search(path.stem)
    return int(match.group(1)) if match else None


def town_in(path: PurePath) -> str:
    """Town in the name of the nearest parent folder that has one (AnoVox_Static_Mono_Town10HD); else empty."""
    found = (_TOWN.search(name) for name in reversed(path.parent.parts))
    return next((match[0] for match in found if match), "")


def is_scenario_name(name: str) -> bool:
    """Return whether a folder of this name is a scenario."""
    return name.startswith(SCENARIO_PREFIX) and name != CONFIGURATION_FOLDER
