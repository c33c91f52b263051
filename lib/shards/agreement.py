"""Whether a frame's sources of labels say the same: LiDAR against camera, point labels against the voxel grid."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.point_labels import NO_VOXEL, LabelSource, PointLabels, voxel_rows
from lib.anovox.recording import SensorPose
from lib.frame import Frame
from lib.geometry.merged import split_clouds
from lib.geometry.rigid import BLOCK_POINTS, apply_to_columns
from lib.labels import UNKNOWN

DEPTH_TOLERANCE_M: Final = 0.5
DEPTH_TOLERANCE_SHARE: Final = 0.05
FEW_POINTS: Final = 100
NOTABLE_DISAGREEMENT: Final = 0.02

Bools = npt.NDArray[np.bool_]

_ALL, _LATER, _EARLIER = slice(None), slice(1, None), slice(None, -1)
_NEIGHBOURS: Final = (((_LATER, _ALL), (_EARLIER, _ALL)), ((_ALL, _LATER), (_ALL, _EARLIER)))
"""All pixels and the ones above them; all pixels and the ones left of them."""


@dataclass(frozen=True)
class Agreement:
    """Counts of points over some frames.

    `projected`: in the camera's view; `same_depth`: of these, the ones whose depth the depth image confirms;
    `compared`: of the projected, the ones that nothing hides from the camera and that both sensors label; `same_class`:
    of these, the ones labelled alike; `clear`, `clear_same`: of `compared` and `same_class`, the ones away from
    outlines (the 3 x 3 pixels around hold one class and no step in depth); `mirrored`, `mirrored_same`: `clear` and
    `clear_same` as they were if the cloud's y pointed the other way.

    `labelled`: points that SEMANTIC-LIDAR labels; `in_voxel`: of these, the ones in an
    occupied voxel; `same_voxel`: of these, the ones whose voxel has the class of a point in it. (A voxel holds several
    classes and names one: road line if there is one, else that of the point nearest to its lower corner.)
    """

    projected: int = 0
    same_depth: int = 0
    compared: int = 0
    same_class: int = 0
    clear: int = 0
    clear_same: int = 0
    mirrored: int = 0
    mirrored_same: int = 0
    labelled: int = 0
    in_voxel: int = 0
    same_voxel: int = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def looks_mirrored(self) -> bool:
        """Say whether the classes disagree, and much less so with y turned round; never with few points to judge by."""
        if min(self.clear, self.mirrored) < FEW_POINTS:
            return False
        wrong, wrong_if_turned = 1 - self.clear_same / self.clear, 1 - self.mirrored_same / self.mirrored
        return wrong > NOTABLE_DISAGREEMENT and wrong_if_turned < wrong / 2


def frame_agreement(frame: Frame, labels: PointLabels, with_voxels: bool = True) -> Agreement:
    """Compare a frame's label sources, at the resolution it was recorded in; the voxels' only if asked for.

    Wrong labels lower the agreement of classes, a wrong calibration that of depth and classes, a wrong grid that with
    the voxels.
    """
    uniform = _uniform_pixels(frame)
    counts = np.zeros(8, dtype=np.int64)
    for first in range(0, len(frame.points), BLOCK_POINTS):
        block = slice(first, first + BLOCK_POINTS)
        columns_m, class_ids = frame.points[block, :3].T.astype(np.float64, order="C"), frame.point_class[block]
        counts[:6] += _camera_agreement(frame, columns_m, class_ids, uniform)
        columns_m[1] *= -1.0
        counts[6:] += _camera_agreement(frame, columns_m, class_ids, uniform)[-2:]
    with_labels = *map(int, counts), *(_voxel_agreement(frame, labels) if with_voxels else (0, 0, 0))
    return Agreement(*with_labels)


def _camera_agreement(
    frame: Frame, columns_m: npt.NDArray[np.float64], class_ids: npt.NDArray[np.uint8], uniform: Bools
) -> tuple[int, ...]:
    """Agreement's first six counts for points (3, N) of these classes (N,); `uniform` (H, W): pixels off outlines."""
    columns_camera_m = apply_to_columns(frame.camera_SE3_lidar, columns_m)
    visible, row, column = frame.camera.pixels_of(columns_camera_m)
    pixel = row * frame.camera.width_px + column
    depth_m = columns_camera_m[0, visible]
    tolerance_m = DEPTH_TOLERANCE_M + DEPTH_TOLERANCE_SHARE * depth_m
    beyond_m = depth_m - frame.depth_m.reshape(-1)[pixel]
    point_class, pixel_class = class_ids[visible], frame.pixel_class.reshape(-1)[pixel]
    compared = (beyond_m <= tolerance_m) & (point_class != UNKNOWN) & (pixel_class != UNKNOWN)
    same = compared & (point_class == pixel_class)
    clear = uniform.reshape(-1)[pixel]
    counted = np.abs(beyond_m) <= tolerance_m, compared, same, compared & clear, same & clear
    return len(visible), *(int(np.count_nonzero(points)) for points in counted)


def _uniform_pixels(frame: Frame) -> Bools:
    """Pixels (H, W) whose 3 x 3 surroundings hold one class and no step in depth."""
    step_m = DEPTH_TOLERANCE_SHARE * frame.depth_m
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


def _voxel_agreement(frame: Frame, labels: PointLabels) -> tuple[int, int, int]:
    """Agreement's `labelled`, `in_voxel` and `same_voxel`."""
    by_lidar = (labels.source == LabelSource.ROW) | (labels.source == LabelSource.DIRECTION)
    by_lidar &= labels.class_ids != UNKNOWN
    if not len(frame.voxels) or not by_lidar.any():
        return 0, 0, 0
    poses = [(lidar.location, lidar.rotation) for lidar in frame.lidars]
    clouds = split_clouds(frame.points, frame.cloud_sizes, poses)
    rows = np.concatenate(
        [voxel_rows(cloud, frame.voxels, SensorPose(*pose)) for cloud, pose in zip(clouds, poses, strict=True)]
    )
    held = by_lidar & (rows != NO_VOXEL)
    rows = rows[held]
    confirmed = np.zeros(len(frame.voxels), dtype=bool)
    confirmed[rows[labels.class_ids[held] == frame.voxels[rows, 3]]] = True
    return int(by_lidar.sum()), len(rows), int(np.count_nonzero(confirmed[rows]))
