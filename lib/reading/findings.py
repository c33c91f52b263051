"""Problems of a data set: their names, which are keys of metrics/data.json, and their log messages.

Frames with a `Reason` (lib.anovox.format.files) and scenarios with a `ScenarioReason` cannot be used; a `Notice` warns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from lib.common.errors import DataError


class ScenarioReason(StrEnum):
    """Why a scenario cannot be used; also the keys of the counts in metrics/data.json."""

    MISSING_SENSOR_SETUP = "missing_sensor_setup"
    BAD_SENSOR_SETUP = "bad_sensor_setup"
    TWO_SENSORS_AT_ONE_POSE = "two_sensors_at_one_pose"
    NO_SENSOR_PAIR = "no_sensor_pair"
    UNREADABLE_SCENARIO = "unreadable_scenario"
    DUPLICATE_SCENARIO = "duplicate_scenario"
    STRANGE_NAME = "strange_name"
    NO_USABLE_FRAME = "no_usable_frame"


class Notice(StrEnum):
    """Problems despite which all frames are used; also the keys of the counts in metrics/data.json."""

    UNREADABLE_FOLDER = "unreadable_folder"
    SYMLINK_LOOP = "symlink_loop"
    BAD_CONFIGURATION = "bad_configuration"
    ASSUMED_SENSOR_SETUP = "assumed_sensor_setup"
    OTHER_IMAGE_SIZE = "other_image_size"
    OTHER_FIELD_OF_VIEW = "other_field_of_view"
    OTHER_LIDAR_CHANNELS = "other_lidar_channels"
    OTHER_TIME_STEP = "other_time_step"
    SEVERAL_TIME_STEPS = "several_time_steps"
    TIMES_GO_BACK = "times_go_back"
    MISSING_SENSOR_FOLDER = "missing_sensor_folder"
    VOXEL_GRID_MISFIT = "voxel_grid_misfit"
    UNPAIRED_FILES = "unpaired_files"


@dataclass(frozen=True)
class Finding:
    """One problem: its name, for the counts, and its log message."""

    reason: ScenarioReason | Notice
    message: str


Report = Callable[[Finding], None]


class ScenarioError(DataError):
    """One scenario cannot be used."""

    def __init__(self, reason: ScenarioReason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[1])
