"""Recordings of any format: what a reader finds in a folder, and the frames that it yields."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lib.common.labels import UNKNOWN
from lib.geometry.calibration import Calibration
from lib.geometry.frame import Frame, Lidar, ScenarioType
from lib.reading.file_errors import Reason
from lib.reading.findings import Finding, ScenarioError


class LabelSource(IntEnum):
    """Source of a point's class."""

    NONE = 0
    ROW = 1
    DIRECTION = 2
    VOXEL = 3


@dataclass(frozen=True, eq=False)
class PointLabels:
    """class_ids (N,) uint8, 255 = none found; source (N,) uint8, values of LabelSource."""

    class_ids: npt.NDArray[np.uint8]
    source: npt.NDArray[np.uint8]

    def count(self, source: LabelSource) -> int:
        """Number of points whose class comes from this source."""
        return int(np.count_nonzero(self.source == source))


@dataclass(frozen=True, eq=False)
class LidarClouds:
    """Clouds of one LiDAR in its own frame: points (N, 4) float32 x, y, z [m], intensity from LIDAR; semantic_points
    (K, 4) float64 x, y, z [m], class id from SEMANTIC-LIDAR, or None.
    """

    points: npt.NDArray[np.float32]
    semantic_points: npt.NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """A frame, the sources of its points' labels, and class ids in its files that AnoVox does not define.

    `undefined_ids`: kind of label file (SEMANTIC-CAM, SEMANTIC-LIDAR, VOXEL_GRID) -> undefined class ids in it
    (SEMANTIC_IMG, SEMANTIC_PCD: colours as 0xRRGGBB), which are 255 in the frame. Kinds without such ids are absent.
    """

    frame: Frame
    point_labels: PointLabels
    undefined_ids: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    shares_cloud: bool = False
    """Whether the previous frame, of another camera at the same tick, has the same points and voxels."""
    clouds: tuple[LidarClouds, ...] = ()
    """One per LiDAR of the frame, in order."""
    fills_grid: bool = False
    """Whether no other sensor contributes to the voxel grid."""
    kept_rows: npt.NDArray[np.bool_] | None = None
    """Which rows of the cloud's file the frame's points are; None: all."""

    @property
    def class_ids_by_lidar(self) -> list[npt.NDArray[np.uint8]]:
        """Class ids (N,) of each LiDAR's points, in the order of `clouds`."""
        ends = np.cumsum([len(cloud.points) for cloud in self.clouds])
        return np.split(self.frame.point_class, ends[:-1])


@dataclass(frozen=True)
class SkippedFrame:
    """A frame that cannot be used: the reason, for the counts, and the log message."""

    frame_id: int
    reason: Reason
    message: str


Frames = Callable[[Sequence[int] | None], Iterator[ReadFrame | SkippedFrame]]


@dataclass(frozen=True, eq=False)
class Recording:
    """Frames of the same sensors: an AnoVox scenario, a KITTI sequence, a folder of images and clouds.

    `name` identifies it in a data set. `path`: its place, for messages; `folders`: those whose files it reads.
    `settings`: plain values that its frames depend on beside the files. `image_sizes`: (height, width) of its cameras'
    images; `cloud_sizes`: number of points of each frame by id, in order, from the headers of the files; `times_s`: of
    the frames, by id, as far as known; `findings`: problems despite which it is used. `frames(frame_ids)` reads the
    frames with these ids, None: all, one in memory at a time.
    """

    name: str
    path: Path
    folders: tuple[Path, ...]
    settings: Mapping[str, Any]
    image_sizes: tuple[tuple[int, int], ...]
    cloud_sizes: Mapping[int, int]
    findings: tuple[Finding, ...]
    frames: Frames
    town: str = ""
    weather: str = ""
    times_s: Mapping[int, float] = field(default_factory=dict)

    @property
    def largest_cloud(self) -> int:
        """Number of points of the largest cloud, which may belong to an unusable frame."""
        return max(self.cloud_sizes.values())


Opener = Callable[[], Recording]
"""Opens a recording; raises ScenarioError if it cannot be used. It can be sent to another process."""


def open_recording(opener: Opener) -> Recording | Finding:
    """Open a recording, or say why it cannot be used."""
    try:
        return opener()
    except ScenarioError as error:
        return Finding(error.reason, str(error))


def largest_usable_cloud(recordings: Iterable[tuple[int, Opener]]) -> int:
    """Number of points of the largest cloud among all usable frames, 0 without one. Usually reads a single frame.

    `recordings`: for each, its `largest_cloud` and what opens it.
    """
    found = 0
    for largest, opener in sorted(recordings, key=itemgetter(0), reverse=True):
        if largest <= found:
            break
        recording = opener()
        sizes = recording.cloud_sizes
        for frame_id in sorted(sizes, key=sizes.__getitem__, reverse=True):
            if sizes[frame_id] <= found:
                break
            if any(isinstance(read, ReadFrame) for read in recording.frames([frame_id])):
                found = sizes[frame_id]
    return found


def unlabelled_frame(
    name: str,
    frame_id: int,
    image: npt.NDArray[np.uint8],
    points: npt.NDArray[np.float32],
    calibration: Calibration,
    lidars: tuple[Lidar, ...],
    time_s: float | None,
    camera_name: str = "",
    cloud_sizes: tuple[int, ...] = (),
) -> ReadFrame:
    """A frame of the recording `name` without labels, depth, voxels and pose; shapes as in Frame."""
    frame = Frame(
        scenario=name,
        frame_id=frame_id,
        scenario_type=ScenarioType.UNLABELLED,
        image=image,
        points=points,
        point_class=np.full(len(points), UNKNOWN, dtype=np.uint8),
        pixel_class=np.full(image.shape[:2], UNKNOWN, dtype=np.uint8),
        depth_m=np.full(image.shape[:2], np.nan, dtype=np.float32),
        calibration=calibration,
        lidars=lidars,
        voxels=np.zeros((0, 4), dtype=np.uint16),
        world_SE3_ego=None,
        speed_mps=None,
        time_s=time_s,
        anomaly=None,
        camera_name=camera_name,
        cloud_sizes=cloud_sizes,
    )
    labels = PointLabels(frame.point_class, np.full(len(points), LabelSource.NONE, dtype=np.uint8))
    return ReadFrame(frame, labels, clouds=(LidarClouds(points, None),))
