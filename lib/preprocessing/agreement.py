"""Agreement of a frame's label sources: LiDAR with camera, semantic LiDAR with the voxel grid."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.reading.point_labels import NO_VOXEL, rows_of_keys
from lib.common.labels import SKY, UNKNOWN, is_anomaly
from lib.geometry.frame import Frame, Lidar
from lib.geometry.voxels import OUTSIDE, point_keys
from lib.preprocessing.summed import Summed
from lib.reading.recorded_frames import LidarClouds, ReadFrame

DEPTH_TOLERANCE_M: Final = 0.5
DEPTH_TOLERANCE_FRACTION: Final = 0.05
FAR_M: Final = 999.0
MIN_BASELINE_M: Final = 0.05
"""Distance between LiDAR and camera from which one may see points that are hidden from the other (parallax)."""

Bools = npt.NDArray[np.bool_]

_ALL, _LATER, _EARLIER = slice(None), slice(1, None), slice(None, -1)
_NEIGHBOURS: Final = (((_LATER, _ALL), (_EARLIER, _ALL)), ((_ALL, _LATER), (_ALL, _EARLIER)))
"""All pixels and the ones above them; all pixels and the ones left of them."""


@dataclass(frozen=True)
class Agreement(Summed):
    """Counts of points over some frames.

    `projected`: points in the camera's view; `same_depth`: those of them whose depth the depth image confirms;
    `compared`: those of the projected that are not hidden from the camera and that both sensors label; `same_class`:
    those of the compared with the same label.

    Off outlines (the 3 x 3 pixels around have one class and no step in depth): `off_outlines` of the projected;
    `hidden` of these, behind the surface in the depth image (0 if camera and LiDAR are at the same place);
    `off_outlines_same_depth`; `clear`, `clear_same`: of `compared` and `same_class`.

    `anomalous`: those of `compared` that either sensor labels as an anomaly; `anomalous_same`: those that both do.

    `anomaly_expected`: expected number of points on pixels of anomalies, if these were hit as often as other pixels of
    their rows; `anomaly_hit`: actual number. (Both are means over the LiDARs, which may have identical rays.)

    `pixels`; `unknown_pixels`: without a class; `sky_pixels`; `far_pixels`: with a class and the maximum depth, as the
    sky has; `far_sky_pixels`: both.

    `labelled`: points of SEMANTIC-LIDAR, which has no noise, within the voxel grid; `in_voxel`: those of them in an
    occupied voxel; `same_voxel`: those of them whose voxel has the class of any point in it. (A voxel has one class:
    road line if it contains one, else that of the point nearest to its lower corner.)
    `voxels`: occupied voxels, if no other sensor contributes to the grid; `filled_voxels`: those of them with a point.
    """

    projected: int = 0
    same_depth: int = 0
    compared: int = 0
    same_class: int = 0
    off_outlines: int = 0
    hidden: int = 0
    off_outlines_same_depth: int = 0
    clear: int = 0
    clear_same: int = 0
    anomalous: int = 0
    anomalous_same: int = 0
    anomaly_expected: float = 0.0
    anomaly_hit: float = 0.0
    pixels: int = 0
    unknown_pixels: int = 0
    sky_pixels: int = 0
    far_pixels: int = 0
    far_sky_pixels: int = 0
    labelled: int = 0
    in_voxel: int = 0
    same_voxel: int = 0
    voxels: int = 0
    filled_voxels: int = 0


def read_agreement(read: ReadFrame) -> Agreement:
    """Compare a frame's label sources at its original resolution; voxels only once for all cameras of a tick."""
    with_camera = camera_agreement(read.frame)
    return with_camera if read.shares_cloud else with_camera + voxel_agreement(read)


def camera_agreement(frame: Frame) -> Agreement:
    """Compare a frame's points with its camera."""
    has_baseline = (
        len(frame.cloud_sizes) > 1 or float(np.linalg.norm(frame.calibration.camera_SE3_lidar[:3, 3])) > MIN_BASELINE_M
    )
    columns_m = frame.points[:, :3].T.astype(np.float64, order="C")
    visible, row, column, depth_m = frame.calibration.pixels_of(columns_m)
    pixel = row * frame.camera.width_px + column
    tolerance_m = DEPTH_TOLERANCE_M + DEPTH_TOLERANCE_FRACTION * depth_m
    beyond_m = depth_m - frame.depth_m.reshape(-1)[pixel]
    hidden, same_depth = beyond_m > tolerance_m, np.abs(beyond_m) <= tolerance_m
    point_class, pixel_class = frame.point_class[visible], frame.pixel_class.reshape(-1)[pixel]
    compared = ~hidden & (point_class != UNKNOWN) & (pixel_class != UNKNOWN)
    same = compared & (point_class == pixel_class)
    point_anomalous, pixel_anomalous = is_anomaly(point_class), is_anomaly(pixel_class)
    uniform = _uniform_pixels(frame)
    off_outlines = uniform.reshape(-1)[pixel]
    sky, far = frame.pixel_class == SKY, (frame.depth_m >= FAR_M) & (frame.pixel_class != UNKNOWN)
    counts = Agreement(
        projected=len(visible),
        same_depth=_count(same_depth),
        compared=_count(compared),
        same_class=_count(same),
        off_outlines=_count(off_outlines),
        hidden=_count(hidden & off_outlines) if has_baseline else 0,
        off_outlines_same_depth=_count(same_depth & off_outlines),
        clear=_count(compared & off_outlines),
        clear_same=_count(same & off_outlines),
        anomalous=_count(compared & (point_anomalous | pixel_anomalous)),
        anomalous_same=_count(compared & point_anomalous & pixel_anomalous),
        pixels=sky.size,
        unknown_pixels=_count(frame.pixel_class == UNKNOWN),
        sky_pixels=_count(sky),
        far_pixels=_count(far),
        far_sky_pixels=_count(sky & far),
    )
    hits = np.bincount(pixel[same_depth], minlength=uniform.size).reshape(uniform.shape)
    return counts + _anomaly_hits(frame, uniform, hits)


def _count(chosen: Bools) -> int:
    return int(np.count_nonzero(chosen))


def _anomaly_hits(frame: Frame, uniform: Bools, hits: npt.NDArray[np.int64]) -> Agreement:
    """Actual and expected number of points on anomalies; `hits` (H, W): points with the pixel's depth."""
    anomalous = is_anomaly(frame.pixel_class)
    if not anomalous.any():
        return Agreement()
    others = uniform & ~anomalous & (frame.depth_m < min(lidar.range_m for lidar in frame.lidars))
    pixels, points = others.sum(axis=1), (hits * others).sum(axis=1)
    expected = anomalous.sum(axis=1) * points / np.maximum(1, pixels)
    lidars = len(frame.lidars)
    return Agreement(anomaly_expected=float(expected.sum()) / lidars, anomaly_hit=float(hits[anomalous].sum()) / lidars)


def _uniform_pixels(frame: Frame) -> Bools:
    """Pixels (H, W) whose 3 x 3 neighbourhood has one class and no step in depth."""
    step_m = DEPTH_TOLERANCE_FRACTION * frame.depth_m
    step_m += DEPTH_TOLERANCE_M
    outline = np.zeros(frame.pixel_class.shape, dtype=np.bool_)
    for first, second in _NEIGHBOURS:
        across = frame.pixel_class[first] != frame.pixel_class[second]
        apart_m = frame.depth_m[first] - frame.depth_m[second]
        across |= np.abs(apart_m, out=apart_m) > step_m[first]
        outline[first] |= across
        outline[second] |= across
    for first, second in _NEIGHBOURS:
        before = outline.copy()
        outline[first] |= before[second]
        outline[second] |= before[first]
    return ~outline


def voxel_agreement(read: ReadFrame) -> Agreement:
    """Compare the semantic LiDARs of a tick with its voxel grid."""
    voxels = read.frame.voxels
    if not len(voxels):
        return Agreement()
    found = [_in_grid(clouds, lidar, voxels) for clouds, lidar in zip(read.clouds, read.frame.lidars, strict=True)]
    class_ids, rows = (np.concatenate(parts) for parts in zip(*found, strict=True))
    labelled, held = class_ids != UNKNOWN, rows != NO_VOXEL
    compared_rows = rows[labelled & held]
    confirmed, filled = np.zeros((2, len(voxels)), dtype=np.bool_)
    confirmed[compared_rows[class_ids[labelled & held] == voxels[compared_rows, 3]]] = True
    filled[rows[held]] = True
    return Agreement(
        labelled=_count(labelled),
        in_voxel=len(compared_rows),
        same_voxel=_count(confirmed[compared_rows]),
        voxels=len(voxels) if read.fills_grid else 0,
        filled_voxels=_count(filled) if read.fills_grid else 0,
    )


def _in_grid(
    clouds: LidarClouds, lidar: Lidar, voxels: npt.NDArray[np.uint16]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Class ids (K,) of the semantic points within the grid's extent, and the rows (K,) of their voxels."""
    semantic_points = clouds.semantic_points
    if semantic_points is None:
        return np.empty(0), np.empty(0, dtype=np.int64)
    keys = point_keys(semantic_points, lidar.location, lidar.rotation)
    inside = keys != OUTSIDE
    return semantic_points[inside, 3], rows_of_keys(keys[inside], voxels)
