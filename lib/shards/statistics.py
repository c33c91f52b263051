"""What a data set holds and whether its labels and calibration agree: the numbers of metrics/data.json."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.files import Reason
from lib.anovox.point_labels import LabelSource
from lib.anovox.reader import ReadFrame
from lib.anovox.scenario import ScenarioReason
from lib.frame import Frame, ScenarioType
from lib.geometry.rigid import apply
from lib.labels import ANOMALY_SIZES, LABELS, UNKNOWN, is_anomaly

DEPTH_TOLERANCE_M: Final = 0.5
DEPTH_TOLERANCE_SHARE: Final = 0.05
UNKNOWN_SIZE: Final = "unknown"

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Counts over some frames. `point_classes` and `pixel_classes` (256,) int64 count by class id.

    `projected`: points in the camera's view; `same_depth`: of these, the ones whose depth the depth image confirms;
    `compared`: of the projected, the ones that nothing hides from the camera and that both sensors label; `same_class`:
    of these, the ones labelled alike.
    """

    frames: int = 0
    frames_with_anomaly: int = 0
    anomaly_frames: Counter[str] = field(default_factory=Counter)
    point_classes: Counts = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    pixel_classes: Counts = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    largest_cloud: int = 0
    labelled_by_row: int = 0
    projected: int = 0
    same_depth: int = 0
    compared: int = 0
    same_class: int = 0

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.frames + other.frames,
            self.frames_with_anomaly + other.frames_with_anomaly,
            self.anomaly_frames + other.anomaly_frames,
            self.point_classes + other.point_classes,
            self.pixel_classes + other.pixel_classes,
            max(self.largest_cloud, other.largest_cloud),
            self.labelled_by_row + other.labelled_by_row,
            self.projected + other.projected,
            self.same_depth + other.same_depth,
            self.compared + other.compared,
            self.same_class + other.same_class,
        )


def frame_statistics(read: ReadFrame) -> Statistics:
    """Counts of one frame, at the resolution it was recorded in."""
    frame = read.frame
    seen = bool(is_anomaly(frame.point_class).any() or is_anomaly(frame.pixel_class).any())
    size = (frame.anomaly.size if frame.anomaly else None) or UNKNOWN_SIZE
    projected, same_depth, compared, same_class = sensor_agreement(frame)
    return Statistics(
        frames=1,
        frames_with_anomaly=int(seen),
        anomaly_frames=Counter({size: 1} if seen else {}),
        point_classes=np.bincount(frame.point_class, minlength=256),
        pixel_classes=np.bincount(frame.pixel_class.reshape(-1), minlength=256),
        largest_cloud=len(frame.points),
        labelled_by_row=read.point_labels.count(LabelSource.ROW),
        projected=projected,
        same_depth=same_depth,
        compared=compared,
        same_class=same_class,
    )


def sensor_agreement(frame: Frame) -> tuple[int, int, int, int]:
    """How camera and LiDAR agree: `projected`, `same_depth`, `compared`, `same_class` of Statistics.

    Wrong labels lower the agreement of classes, a wrong calibration that of depth and classes.
    """
    points_camera_m = apply(frame.camera_SE3_lidar, frame.points[:, :3])
    u, v, visible = frame.camera.project(points_camera_m)
    row, column = v[visible].astype(np.int64), u[visible].astype(np.int64)
    depth_m = points_camera_m[visible, 0]
    tolerance_m = DEPTH_TOLERANCE_M + DEPTH_TOLERANCE_SHARE * depth_m
    beyond_m = depth_m - frame.depth_m[row, column]
    confirmed = np.abs(beyond_m) <= tolerance_m
    point_class, pixel_class = frame.point_class[visible], frame.pixel_class[row, column]
    compared = (beyond_m <= tolerance_m) & (point_class != UNKNOWN) & (pixel_class != UNKNOWN)
    equal = compared & (point_class == pixel_class)
    return int(visible.sum()), int(confirmed.sum()), int(compared.sum()), int(equal.sum())


def data_metrics(
    total: Statistics,
    scenario_types: Iterable[ScenarioType],
    skipped_frames: Iterable[Reason],
    skipped_scenarios: Iterable[ScenarioReason],
) -> dict[str, dict[str, int | float]]:
    """metrics/data.json: counts and shares under stable keys, all finite; a share of nothing is left out."""
    types, frames, scenarios = Counter(scenario_types), Counter(skipped_frames), Counter(skipped_scenarios)
    points, pixels = int(total.point_classes.sum()), int(total.pixel_classes.sum())
    agreement = {
        "row_match_share": _share(total.labelled_by_row, points),
        "depth_agreement": _share(total.same_depth, total.projected),
        "class_agreement": _share(total.same_class, total.compared),
    }
    return {
        "scenarios": {
            "normality": types[ScenarioType.NORMALITY],
            "static": types[ScenarioType.STATIC],
            "dynamic": types[ScenarioType.DYNAMIC],
        },
        "frames": {"total": total.frames, "with_anomaly": total.frames_with_anomaly},
        "anomaly_frames": {size: total.anomaly_frames[size] for size in (*ANOMALY_SIZES, UNKNOWN_SIZE)},
        "skipped": {reason.value: frames[reason] for reason in Reason},
        "skipped_scenarios": {reason.value: scenarios[reason] for reason in ScenarioReason},
        "points": {
            "total": points,
            "largest_cloud": total.largest_cloud,
            "labelled_share": _share(points - int(total.point_classes[UNKNOWN]), points) or 0.0,
            "anomaly_share": _share(_anomalous(total.point_classes), points) or 0.0,
        },
        "pixels": {"anomaly_share": _share(_anomalous(total.pixel_classes), pixels) or 0.0},
        "labels": {key: share for key, share in agreement.items() if share is not None},
        "point_class_share": {
            label.name.replace(" ", "_"): round(int(total.point_classes[label.id]) / points, 6)
            for label in LABELS
            if total.point_classes[label.id]
        },
    }


def _anomalous(classes: Counts) -> int:
    return int(classes[is_anomaly(np.arange(256, dtype=np.uint8))].sum())


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
