"""The recordings of a data set in any of the formats of `data.format`."""

from pathlib import Path

from lib.anovox.reading.anovox_recordings import find_anovox
from lib.anovox.reading.scenario import Sensors
from lib.common.params import DataFormat
from lib.folder.folder_recordings import find_folders
from lib.kitti.kitti_recordings import find_kitti
from lib.reading.findings import Report
from lib.reading.recorded_frames import Opener


def find_recordings(data_format: DataFormat, root: Path, sensors: Sensors, report: Report) -> list[Opener]:
    """Find the recordings below a folder, at least one, in order; what is noticed on the way is reported.

    `sensors` is AnoVox's: other formats have one camera and one LiDAR. `open_recording` opens them; their frames and
    what is skipped come from `Recording.frames`. Raises DataError if there is no recording.
    """
    if data_format == "kitti":
        return find_kitti(root, report)
    if data_format == "folder":
        return find_folders(root)
    return find_anovox(root, sensors, report)
