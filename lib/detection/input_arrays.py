"""Images, clouds and poses as a user's program has them, checked and made a frame."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.geometry.axes import check_view, rigid
from lib.geometry.calibration import Calibration
from lib.geometry.frame import Frame, Lidar
from lib.geometry.rigid import Matrix, sensor_place
from lib.geometry.rings import find_lidar
from lib.reading.file_errors import MAX_COORDINATE_M
from lib.reading.recorded_frames import unlabelled_frame

UNKNOWN_RANGE_M: Final = 120.0


def frame_of(image: npt.ArrayLike, points: npt.ArrayLike, calibration: Calibration, lidar: Lidar | None) -> Frame:
    """An image and a cloud as a frame, without time and pose; arguments as of `AnomalyDetector.detect`.

    Raises DataError for inputs that cannot be.
    """
    camera, pixels = calibration.camera, np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.shape != (camera.height_px, camera.width_px, 3):
        raise DataError(
            f"image: got {pixels.dtype} of shape {pixels.shape}, but the calibration's camera has uint8 "
            f"({camera.height_px}, {camera.width_px}, 3)"
        )
    if min(camera.fx_px, camera.fy_px) <= 0:
        raise DataError(f"calibration: focal lengths must be positive, got {camera.fx_px:g} and {camera.fy_px:g}")
    cloud = _cloud(np.asarray(points, dtype=np.float64))
    try:
        camera_SE3_lidar = rigid(np.asarray(calibration.camera_SE3_lidar, dtype=np.float64))
        check_view(camera, camera_SE3_lidar, "vehicle", cloud, others=False)
    except ValueError as error:
        raise DataError(f"calibration: camera_SE3_lidar cannot be right: {error}") from None
    found = lidar or find_lidar(cloud, None, UNKNOWN_RANGE_M)
    return unlabelled_frame("", 0, pixels, cloud, Calibration(camera, camera_SE3_lidar), (found,), None).frame


def _cloud(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Points as a cloud (N, 4): x, y, z [m] and intensity; raises DataError."""
    if points.ndim != 2 or points.shape[1] not in (3, 4) or not len(points):
        raise DataError(f"points: got shape {points.shape}; give (N, 3) x, y, z or (N, 4) with intensity, N at least 1")
    if not np.isfinite(points).all():
        raise DataError("points: some are NaN or infinite; leave out rays without an echo")
    if np.abs(points[:, :3]).max() > MAX_COORDINATE_M:
        raise DataError(f"points: one is farther than {MAX_COORDINATE_M:.0f} m away; check the unit, which is metres")
    intensity = points[:, 3] if points.shape[1] == 4 else np.zeros(len(points))
    if intensity.min() < 0 or intensity.max() > 1:
        raise DataError(
            f"points: intensities are {intensity.min():g} to {intensity.max():g}; scale them to 0 to 1 by the range "
            "that the sensor can have"
        )
    return np.column_stack([points[:, :3], intensity]).astype(np.float32)


def moving_frame(
    frame: Frame, time_s: float, world_SE3_ego: npt.ArrayLike | None, vehicle_SE3_lidar: npt.ArrayLike | None
) -> Frame:
    """A frame with its time and pose, and the place of its LiDAR, as of `DetectionStream.detect`; raises DataError."""
    if not np.isfinite(time_s):
        raise DataError(f"time_s: got {time_s}; give the time of the frame in seconds, of any clock that does not jump")
    lidars = frame.lidars
    if vehicle_SE3_lidar is not None:
        location, rotation = sensor_place(_transform("vehicle_SE3_lidar", vehicle_SE3_lidar))
        lidars = tuple(replace(lidar, location=location, rotation=rotation) for lidar in lidars)
    pose = None if world_SE3_ego is None else _transform("world_SE3_ego", world_SE3_ego)
    return replace(frame, time_s=float(time_s), world_SE3_ego=pose, lidars=lidars)


def _transform(name: str, values: npt.ArrayLike) -> Matrix:
    """A rigid transform (4, 4), given as (3, 4) or (4, 4); raises DataError that names it."""
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.shape not in ((3, 4), (4, 4)) or not np.isfinite(matrix).all():
        raise DataError(f"{name}: got {_said(matrix)}; give (3, 4) or (4, 4) finite numbers")
    try:
        return rigid(np.vstack([matrix[:3], matrix[3:] if len(matrix) == 4 else [[0.0, 0.0, 0.0, 1.0]]]))
    except ValueError as error:
        raise DataError(f"{name} cannot be right: {error}") from None


def _said(matrix: npt.NDArray[np.float64]) -> str:
    return f"shape {matrix.shape}" if np.isfinite(matrix).all() else "NaN or infinity"
