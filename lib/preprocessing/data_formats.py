"""The recordings of a data set in any of the formats of `data.format`."""

import os
from pathlib import Path
from typing import Final

from lib.anovox.format.layout import is_scenario_name
from lib.anovox.reading.anovox_recordings import find_anovox
from lib.anovox.reading.scenario import Sensors
from lib.common.errors import DataError
from lib.common.params import DataFormat
from lib.folder.folder_recordings import CLOUDS, IMAGES, find_folders
from lib.kitti.kitti_recordings import VELODYNE, find_kitti
from lib.reading.findings import Report
from lib.reading.recorded_frames import Opener

MAX_DEPTH: Final = 4


def find_recordings(
    data_format: DataFormat, root: Path, sensors: Sensors, report: Report, labelled: bool = True
) -> list[Opener]:
    """Find the recordings below a folder, at least one, in order; what is noticed on the way is reported.

    `sensors` is AnoVox's: other formats have one camera and one LiDAR. `labelled`: whether AnoVox's labels are needed;
    other formats have none. `open_recording` opens them; their frames and
    what is skipped come from `Recording.frames`. Raises DataError if there is no recording.
    """
    if data_format == "kitti":
        return find_kitti(root, report)
    if data_format == "folder":
        return find_folders(root)
    return find_anovox(root, sensors, report, labelled)


def guess_format(root: Path) -> DataFormat:
    """The format that the folders at and below `root` look like; raises DataError if they look like none."""
    for folder, below, _ in os.walk(root, followlinks=True):
        path = Path(folder)
        if is_scenario_name(path.name):
            return "anovox"
        if VELODYNE in below:
            return "kitti"
        if {IMAGES, CLOUDS} <= set(below):
            return "folder"
        if len(path.relative_to(root).parts) == MAX_DEPTH:
            below.clear()
        below.sort()
    problem = "holds no data of a known format" if root.is_dir() else "there is no such folder"
    raise DataError(f"{root}: {problem}: Scenario_* folders, velodyne/, or images/ and clouds/ (docs/sensors.md)")
