"""AnoVox's old sample layout, the paper's first download: its names and sensors, and classes stored as colours.

It has one camera and one LiDAR at the default pose, no sensor_setup.json, and files
`<folder>/<folder>_<frame>.<ending>`. Colours are those of AnoVox's palette, or of the palette in its benchmark's
voxelize_groundtruth.py. Clouds are x forward, y left, z up: that script rotates the depth cloud accordingly.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from lib.anovox.format import files, layout
from lib.anovox.format.clouds import read_semantic_lidar
from lib.anovox.format.colors import GENERIC_ANOMALY_ID
from lib.anovox.format.folders import FrameFiles
from lib.anovox.format.grid import voxel_grid
from lib.anovox.format.recording import CameraArgs, LidarArgs, SensorPose
from lib.anovox.format.sensor_setup import Sensor, SensorSetup
from lib.geometry.voxels import voxel_keys
from lib.reading.file_errors import FileError
from lib.reading.findings import Finding, Notice

MIN_IN_VOXEL_FRACTION: Final = 0.9


def is_old_layout(scenario: Path, listing: Mapping[str, FrameFiles]) -> bool:
    """Return whether a scenario has the old sample layout: its folder names and no sensor_setup.json."""
    return not layout.OLD_FILE_ENDINGS.keys().isdisjoint(listing) and not (scenario / layout.SENSOR_SETUP).exists()


def old_sensor_setup() -> SensorSetup:
    """AnoVox's default camera and LiDAR at the default pose; image sizes are corrected by the files later."""
    cameras = {layout.OLD_RGB: layout.RGB, layout.OLD_DEPTH: layout.DEPTH, layout.OLD_SEMANTIC: layout.SEMANTIC}
    lidars = {layout.OLD_LIDAR: layout.LIDAR, layout.OLD_SEMANTIC_LIDAR: layout.SEMANTIC_LIDAR}
    sensors = [Sensor(folder, kind, SensorPose(), CameraArgs()) for folder, kind in cameras.items()]
    sensors += [Sensor(folder, kind, SensorPose(), LidarArgs()) for folder, kind in lidars.items()]
    return SensorSetup(tuple(sensors))


def adapted_files(path: Path, listing: Mapping[str, FrameFiles]) -> tuple[dict[str, FrameFiles], tuple[Finding, ...]]:
    """Rename ACTION_STATE to ACTION, and drop VOXEL_GRID if it does not match the points.

    AnoVox's scripts of that time placed the grid differently (its benchmark's voxelize_groundtruth.py does not subtract
    the sensor's location). The first frame with both files decides. A dropped grid is computed from SEMANTIC_PCD later.
    """
    adapted = dict(listing)
    if layout.OLD_ACTION in adapted:
        adapted[layout.ACTION] = adapted.pop(layout.OLD_ACTION)
    fraction = _in_voxel_fraction(listing)
    if fraction is None or fraction >= MIN_IN_VOXEL_FRACTION:
        return adapted, ()
    adapted.pop(layout.VOXEL_GRID)
    grid, points = path / layout.VOXEL_GRID, layout.OLD_SEMANTIC_LIDAR
    message = (
        f"{grid}: holds only {fraction:.0%} of the cells in which {points} has points, so it is not placed as "
        f"in AnoVox's release; the grid is computed from {points} instead"
    )
    return adapted, (Finding(Notice.VOXEL_GRID_MISFIT, message),)


def _in_voxel_fraction(listing: Mapping[str, FrameFiles]) -> float | None:
    """Fraction of the voxels occupied by points that are in the stored grid; None if no frame has both files."""
    if not {layout.VOXEL_GRID, layout.OLD_SEMANTIC_LIDAR} <= listing.keys():
        return None
    grids, clouds = (listing[folder].paths for folder in (layout.VOXEL_GRID, layout.OLD_SEMANTIC_LIDAR))
    for frame_id in sorted(grids.keys() & clouds.keys()):
        try:
            stored = files.read_voxels(grids[frame_id])
            computed = voxel_grid([(SensorPose(), read_semantic_lidar(clouds[frame_id], GENERIC_ANOMALY_ID))], [])
        except FileError:
            continue  # the reader reports it with its frame
        if len(computed):
            return float(np.isin(voxel_keys(computed), voxel_keys(stored)).mean())
    return None
