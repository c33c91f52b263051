"""Transfer of class ids to the points of LIDAR, which has none, from SEMANTIC-LIDAR or the voxel grid.

SEMANTIC-LIDAR is a second sensor without noise. LIDAR's noise is along the ray, so corresponding points have the same
direction. Usually they also have the same row, but this is not guaranteed.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format.recording import SensorPose
from lib.common.labels import UNKNOWN
from lib.geometry.voxels import point_keys, voxel_keys
from lib.reading.recorded_frames import LabelSource, PointLabels

ROW_ANGLE_RAD: Final = float(np.deg2rad(0.02))
NEIGHBOUR_ANGLE_RAD: Final = float(np.deg2rad(0.25))
NOISE_SIGMAS: Final = 6.0
RANGE_SLACK_M: Final = 0.05
NO_VOXEL: Final = -1
GOLDEN_RATIO: Final = np.uint64(0x9E3779B97F4A7C15)
BLOCK_ROWS: Final = 16_384
"""Rows per block: small enough for the processor's cache, which makes row matching 2.5 times faster."""

Cloud = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


def merged_labels(parts: Sequence[PointLabels]) -> PointLabels:
    """Concatenate the labels of several clouds."""
    return PointLabels(np.concatenate([p.class_ids for p in parts]), np.concatenate([p.source for p in parts]))


def transfer_labels(
    points: npt.NDArray[np.float32],
    semantic_points: npt.NDArray[np.float64] | None,
    voxels: npt.NDArray[np.uint16] | None,
    pose: SensorPose,
    noise_stddev_m: float,
) -> PointLabels:
    """Label the points (N, 4) of a LIDAR cloud.

    A point gets the class of the first that applies: the same row of `semantic_points` (K, 4), if K = N and direction
    and range agree; the point of `semantic_points` nearest in direction, if direction and range agree; the voxel of
    `voxels` (M, 4) that contains the point; else 255. Either source may be None. `pose` is the LiDAR's, for the grid.
    """
    class_ids = np.full(len(points), UNKNOWN, dtype=np.uint8)
    source = np.full(len(points), LabelSource.NONE, dtype=np.uint8)
    unlabelled = np.arange(len(points))
    if semantic_points is not None:
        semantic_ids = semantic_points[:, 3].astype(np.uint8)
        tolerance_m = NOISE_SIGMAS * noise_stddev_m + RANGE_SLACK_M
        if len(semantic_points) == len(points):
            matched = _same_return(points, semantic_points, ROW_ANGLE_RAD, tolerance_m)
            class_ids[matched], source[matched] = semantic_ids[matched], LabelSource.ROW
            unlabelled = np.flatnonzero(~matched)
        if len(unlabelled):
            nearest = _nearest_directions(points[unlabelled], semantic_points)
            matched = _same_return(points[unlabelled], semantic_points[nearest], NEIGHBOUR_ANGLE_RAD, tolerance_m)
            class_ids[unlabelled[matched]] = semantic_ids[nearest[matched]]
            source[unlabelled[matched]] = LabelSource.DIRECTION
            unlabelled = unlabelled[~matched]
    if voxels is not None and len(voxels) and len(unlabelled):
        rows = rows_of_keys(point_keys(points[unlabelled], *pose), voxels)
        unlabelled, rows = unlabelled[rows != NO_VOXEL], rows[rows != NO_VOXEL]
        class_ids[unlabelled], source[unlabelled] = voxels[rows, 3], LabelSource.VOXEL
    return PointLabels(class_ids, source)


def rows_of_keys(wanted: npt.NDArray[np.int64], voxels: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """Row (N,) int64 of `voxels` (M, 4), M > 0, that has each key (N,) (lib.geometry.voxels); NO_VOXEL if none does."""
    keys = voxel_keys(voxels)
    order = None
    if not (keys[1:] > keys[:-1]).all():  # AnoVox's own files ascend
        keys, order = np.unique(keys, return_index=True)
    places = _places(keys, wanted)
    return places if order is None else np.where(places == NO_VOXEL, NO_VOXEL, order[places])


def _places(keys: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Index (N,) int64 of each of `wanted` (N,) in the ascending `keys` (M,); NO_VOXEL if absent.

    Uses a hash table without collision handling, and a binary search for the few keys evicted from it.
    """
    bits = (16 * len(keys)).bit_length()  # large enough for few collisions
    table = np.full(1 << bits, NO_VOXEL)
    table[_hash(keys, bits)] = np.arange(len(keys))
    places = table[_hash(wanted, bits)]
    other = keys[places] != wanted
    evicted = np.flatnonzero(other & (places != NO_VOXEL))
    places[other] = NO_VOXEL
    found = np.minimum(np.searchsorted(keys, wanted[evicted]), len(keys) - 1)
    places[evicted] = np.where(keys[found] == wanted[evicted], found, NO_VOXEL)
    return places


def _hash(keys: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """Knuth's multiplicative hash: (N,) int64 below 2 ** bits."""
    return (keys.view(np.uint64) * GOLDEN_RATIO >> np.uint64(64 - bits)).view(np.int64)


def _same_return(points: Cloud, others: Cloud, max_angle_rad: float, max_range_m: float) -> Bools:
    """Return whether rows of two clouds (N, 3 or more) are the same return: directions and ranges agree (N,)."""
    same = np.empty(len(points), dtype=np.bool_)
    for first in range(0, len(points), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        same[block] = _same_return_block(points[block], others[block], max_angle_rad, max_range_m)
    return same


def _same_return_block(points: Cloud, others: Cloud, max_angle_rad: float, max_range_m: float) -> Bools:
    """Avoids normalizing directions, which is slower: sin^2 of the angle between p and q is 1 - (p q)^2 / (p p q q)."""
    p, q = (np.ascontiguousarray(cloud[:, :3].T, dtype=np.float64) for cloud in (points, others))
    pp, qq, pq = (np.einsum("ij,ij->j", a, b) for a, b in ((p, p), (q, q), (p, q)))
    ppqq = pp * qq
    aligned = (pq > 0) & (ppqq - pq * pq <= np.sin(max_angle_rad) ** 2 * ppqq)
    return np.asarray(aligned & (np.abs(np.sqrt(pp) - np.sqrt(qq)) <= max_range_m), dtype=np.bool_)


def _nearest_directions(points: Cloud, others: Cloud) -> npt.NDArray[np.int64]:
    """Row (N,) of `others` (K, 3 or more) nearest in direction to each point (N, 3 or more)."""
    from scipy.spatial import cKDTree  # 0.2 s to import, and data whose rows match never need it

    return np.asarray(cKDTree(_directions(others)).query(_directions(points))[1], dtype=np.int64)


def _directions(points: Cloud) -> npt.NDArray[np.float64]:
    xyz = np.asarray(points[:, :3], dtype=np.float64)
    return np.asarray(xyz / np.maximum(np.linalg.norm(xyz, axis=1, keepdims=True), 1e-9), dtype=np.float64)
