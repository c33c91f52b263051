"""Statistics of a data set's contents and of the agreement of its labels and calibration, for metrics/data.json."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import PlainSerializer, PlainValidator

from lib.common.labels import ANOMALY_SIZES, LABELS, UNKNOWN, class_counts, is_anomaly
from lib.geometry.frame import Frame, ScenarioType
from lib.preprocessing.cloud_facts import SECTORS
from lib.preprocessing.drive_facts import DriveFacts
from lib.preprocessing.evidence import Evidence, frame_evidence
from lib.preprocessing.rules import RULES, Level
from lib.reading.file_errors import Reason
from lib.reading.findings import Notice, ScenarioReason
from lib.reading.recorded_frames import ReadFrame
from lib.shards.digests import label_digests, sample_digests

UNKNOWN_SIZE: Final = "unknown"
CAMERA_ONLY: Final = "camera_only"
DISTANCE_BANDS: Final = (
    (8.0, "below_8_m"),
    (14.0, "8_to_14_m"),
    (20.0, "14_to_20_m"),
    (40.0, "20_to_40_m"),
    (np.inf, "above_40_m"),
)
WORST: Final[Mapping[str, Callable[..., str]]] = {
    "depth_agreement_off_outlines": min,
    "class_agreement_off_outlines": min,
    "image_agreement": min,
    "in_voxel_fraction": min,
    "voxel_agreement": min,
    "unlabelled_fraction": max,
}
"""Keys of `label_metrics` that are compared between scenarios, and whether the lowest or highest is worst."""

Problem = Reason | ScenarioReason | Notice
"""No two of them have the same value."""
Counts = Annotated[
    npt.NDArray[np.int64],
    PlainValidator(lambda counts: np.asarray(counts, dtype=np.int64)),
    PlainSerializer(lambda counts: counts.tolist()),
]
"""(256,) int64, by class id. The cache of converted scenarios holds them as lists."""


@dataclass(frozen=True)
class BadFrame:
    """A single frame that breaks the rule `rule` of lib.preprocessing.rules."""

    rule: str
    camera: str
    frame_id: int
    evidence: Evidence


@dataclass(frozen=True, eq=False)
class Statistics:
    """Counts over some frames.

    `anomaly_sizes` and `anomaly_distances` count frames in which a sensor sees an anomaly; `undefined_ids`: file kinds
    and undefined class ids in them; `frames_with_undefined_ids`: frames with any. `cloud_sizes`: points of each cloud;
    `farthest_m`: range of the farthest point. `by_camera`: evidence by the camera's name. `contents`: digests of the
    frames' images and clouds; `label_contents`: of depths and classes. `drive`: of the whole recording.
    """

    frames: int = 0
    frames_with_anomaly: int = 0
    anomaly_sizes: Counter[str] = field(default_factory=Counter)
    anomaly_distances: Counter[str] = field(default_factory=Counter)
    point_classes: Counts = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    pixel_classes: Counts = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    undefined_ids: frozenset[tuple[str, int]] = frozenset()
    frames_with_undefined_ids: int = 0
    cloud_sizes: tuple[int, ...] = ()
    farthest_m: float = 0.0
    by_camera: Mapping[str, Evidence] = field(default_factory=dict)
    bad_frames: tuple[BadFrame, ...] = ()
    contents: frozenset[int] = frozenset()
    label_contents: frozenset[int] = frozenset()
    drive: DriveFacts = field(default_factory=DriveFacts)

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.frames + other.frames,
            self.frames_with_anomaly + other.frames_with_anomaly,
            self.anomaly_sizes + other.anomaly_sizes,
            self.anomaly_distances + other.anomaly_distances,
            self.point_classes + other.point_classes,
            self.pixel_classes + other.pixel_classes,
            self.undefined_ids | other.undefined_ids,
            self.frames_with_undefined_ids + other.frames_with_undefined_ids,
            self.cloud_sizes + other.cloud_sizes,
            max(self.farthest_m, other.farthest_m),
            {
                camera: self.by_camera.get(camera, Evidence()) + other.by_camera.get(camera, Evidence())
                for camera in sorted({*self.by_camera, *other.by_camera})
            },
            self.bad_frames + other.bad_frames,
            self.contents | other.contents,
            self.label_contents | other.label_contents,
            self.drive + other.drive,
        )

    @cached_property
    def evidence(self) -> Evidence:
        """Evidence over all cameras."""
        return sum(self.by_camera.values(), Evidence())


def frame_statistics(read: ReadFrame, before: Frame | None = None) -> Statistics:
    """Statistics of one frame, at its original resolution; a cloud common to several cameras counts once.

    `before`: the same camera's frame of the previous tick, if it was read.
    """
    frame = read.frame
    evidence = frame_evidence(read, before)
    rules = () if frame.scenario_type is ScenarioType.UNLABELLED else RULES
    broken = [rule for rule in rules if rule.lowest == Level.FRAME and rule.measure(evidence) is not None]
    range_m = _ranges_m(frame.points)
    point_classes, pixel_classes = class_counts(frame.point_class), class_counts(frame.pixel_class)
    seen = bool(_anomalous(point_classes) or _anomalous(pixel_classes))
    size = (frame.anomaly.size if frame.anomaly else None) or UNKNOWN_SIZE
    undefined = frozenset((kind, class_id) for kind, ids in read.undefined_ids.items() for class_id in ids)
    statistics = Statistics(
        frames=1,
        frames_with_anomaly=int(seen),
        anomaly_sizes=Counter({size: 1} if seen else {}),
        anomaly_distances=Counter({_distance_band(range_m[is_anomaly(frame.point_class)]): 1} if seen else {}),
        pixel_classes=pixel_classes,
        undefined_ids=undefined,
        frames_with_undefined_ids=int(bool(undefined)),
        by_camera={frame.camera_name: evidence},
        bad_frames=tuple(BadFrame(rule.name, frame.camera_name, frame.frame_id, evidence) for rule in broken),
        contents=sample_digests(frame.image, frame.points),
        label_contents=label_digests(frame.depth_m, frame.pixel_class),
    )
    if read.shares_cloud:
        return statistics
    cloud_sizes, farthest_m = (len(frame.points),), float(range_m.max())
    return replace(statistics, point_classes=point_classes, cloud_sizes=cloud_sizes, farthest_m=farthest_m)


def data_metrics(
    by_scenario: Mapping[str, Statistics], scenario_types: Iterable[ScenarioType], problems: Iterable[Problem]
) -> dict[str, dict[str, int | float]]:
    """Content of metrics/data.json: counts and fractions under stable keys, all finite; undefined ones are omitted.

    `problems`: of all frames, scenarios and folders.
    """
    total = sum(by_scenario.values(), Statistics())
    types, found = Counter(scenario_types), Counter(problems)
    points, pixels = int(total.point_classes.sum()), int(total.pixel_classes.sum())
    bands = [name for _, name in DISTANCE_BANDS]
    return {
        "scenarios": {
            "normality": types[ScenarioType.NORMALITY],
            "static": types[ScenarioType.STATIC],
            "dynamic": types[ScenarioType.DYNAMIC],
            "unlabelled": types[ScenarioType.UNLABELLED],
        },
        "frames": {"total": total.frames, "with_anomaly": total.frames_with_anomaly},
        "anomaly_frames": {size: total.anomaly_sizes[size] for size in (*ANOMALY_SIZES, UNKNOWN_SIZE)},
        "anomaly_distance": {band: total.anomaly_distances[band] for band in (*bands, CAMERA_ONLY)},
        "skipped": {reason.value: found[reason] for reason in Reason},
        "skipped_scenarios": {reason.value: found[reason] for reason in ScenarioReason},
        "noticed": {notice.value: found[notice] for notice in Notice},
        "points": {
            "total": points,
            "smallest_cloud": min(total.cloud_sizes, default=0),
            "largest_cloud": max(total.cloud_sizes, default=0),
            "farthest_m": round(total.farthest_m, 1),
            "labelled_fraction": _fraction(points - int(total.point_classes[UNKNOWN]), points) or 0.0,
            "anomaly_fraction": _fraction(_anomalous(total.point_classes), points) or 0.0,
        },
        "pixels": {"anomaly_fraction": _fraction(_anomalous(total.pixel_classes), pixels) or 0.0},
        "labels": {
            **label_metrics(total),
            **{f"worst_{key}": value for key, (_, value) in worst_scenarios(by_scenario).items()},
            "frames_with_undefined_ids": total.frames_with_undefined_ids,
        },
        "point_class_fraction": class_fractions(total.point_classes),
    }


def class_fractions(counts: Counts) -> dict[str, float]:
    """Fraction of each class that occurs, by its name."""
    named = {label.name.replace(" ", "_"): int(counts[label.id]) for label in LABELS}
    return {name: round(count / int(counts.sum()), 6) for name, count in named.items() if count}


def label_metrics(statistics: Statistics) -> dict[str, float]:
    """`label_fractions` without those that are undefined."""
    return {key: value for key, value in label_fractions(statistics).items() if value is not None}


def label_fractions(statistics: Statistics) -> dict[str, float | None]:
    """Fractions of point labels by source, and agreements of the sources; None where undefined.

    docs/check.md explains each and its expected value.
    """
    evidence = statistics.evidence
    labels, counts, clouds = evidence.labels, evidence.agreement, evidence.clouds
    gap = evidence.pictures.gap
    return {
        "row_match_fraction": _fraction(labels.by_row, labels.points),
        "direction_match_fraction": _fraction(labels.by_direction, labels.points),
        "voxel_label_fraction": _fraction(labels.by_voxel, labels.points),
        "unlabelled_fraction": _fraction(int(statistics.point_classes[UNKNOWN]), labels.points),
        "depth_agreement": _fraction(counts.same_depth, counts.projected),
        "class_agreement": _fraction(counts.same_class, counts.compared),
        "depth_agreement_off_outlines": _fraction(counts.off_outlines_same_depth, counts.off_outlines - counts.hidden),
        "class_agreement_off_outlines": _fraction(counts.clear_same, counts.clear),
        "anomaly_agreement": _fraction(counts.anomalous_same, counts.anomalous),
        "hidden_fraction": _fraction(counts.hidden, counts.off_outlines),
        "image_agreement": None if gap is None else round(gap, 6),
        "voxel_agreement": _fraction(counts.same_voxel, counts.in_voxel),
        "in_voxel_fraction": _fraction(counts.in_voxel, counts.labelled),
        "around_fraction": _fraction(clouds.sectors, SECTORS * clouds.clouds),
    }


def worst_scenarios(by_scenario: Mapping[str, Statistics]) -> dict[str, tuple[str, float]]:
    """For each key of WORST, the worst scenario and its value; keys that no scenario has are omitted."""
    fractions = {name: label_metrics(statistics) for name, statistics in sorted(by_scenario.items())}
    worst: dict[str, tuple[str, float]] = {}
    for key, choose in WORST.items():
        known = {name: value[key] for name, value in fractions.items() if key in value}
        if known:
            name = choose(known, key=known.__getitem__)
            worst[key] = name, known[name]
    return worst


def _ranges_m(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Distances (N,) [m] of points (N, 4) from the origin; by columns, which is many times faster than by rows."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    return np.asarray(np.sqrt(x * x + y * y + z * z), dtype=np.float32)


def _distance_band(range_m: npt.NDArray[np.floating]) -> str:
    """Name of the distance band of the median range (K,) [m] of an anomaly's points."""
    if not len(range_m):
        return CAMERA_ONLY
    median_m = float(np.median(range_m))
    return next(name for limit_m, name in DISTANCE_BANDS if median_m < limit_m)


def _anomalous(classes: Counts) -> int:
    return int(classes[is_anomaly(np.arange(256, dtype=np.uint8))].sum())


def _fraction(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
