"""Evidence on whether labels and calibration of frames are right; lib.preprocessing.rules has the limits."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from lib.anovox.reading.frames import ReadFrame
from lib.anovox.reading.point_labels import LabelSource
from lib.geometry.frame import Frame
from lib.preprocessing.agreement import Agreement, read_agreement
from lib.preprocessing.cloud_facts import CloudFacts, cloud_facts
from lib.preprocessing.pictures import PictureCounts, picture_counts


@dataclass(frozen=True)
class LabelCounts:
    """Number of points by the source of their labels (LabelSource)."""

    by_row: int = 0
    by_direction: int = 0
    by_voxel: int = 0
    unlabelled: int = 0

    def __add__(self, other: "LabelCounts") -> "LabelCounts":
        return LabelCounts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def points(self) -> int:
        """Total number of points."""
        return self.by_row + self.by_direction + self.by_voxel + self.unlabelled


@dataclass(frozen=True)
class Repeats:
    """Frames whose previous tick was read too (`sequels`), and how many of them have an identical image or cloud."""

    sequels: int = 0
    images: int = 0
    clouds: int = 0

    def __add__(self, other: "Repeats") -> "Repeats":
        return Repeats(self.sequels + other.sequels, self.images + other.images, self.clouds + other.clouds)


@dataclass(frozen=True)
class Evidence:
    """Counts over some frames; points and voxels common to the cameras of a tick count once."""

    labels: LabelCounts = field(default_factory=LabelCounts)
    agreement: Agreement = field(default_factory=Agreement)
    pictures: PictureCounts = field(default_factory=PictureCounts)
    clouds: CloudFacts = field(default_factory=CloudFacts)
    repeats: Repeats = field(default_factory=Repeats)

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(
            self.labels + other.labels,
            self.agreement + other.agreement,
            self.pictures + other.pictures,
            self.clouds + other.clouds,
            self.repeats + other.repeats,
        )

    @classmethod
    def total(cls, parts: Iterable["Evidence"]) -> "Evidence":
        """The sum of all parts."""
        return sum(parts, cls())

    @classmethod
    def from_dict(cls, counts: dict[str, Any]) -> "Evidence":
        """Inverse of `dataclasses.asdict`, also after a round trip through JSON."""
        pictures: dict[str, Any] = {**counts["pictures"]}
        pictures |= {key: tuple(pictures[key]) for key in ("plants", "sky")}  # JSON has lists only
        return cls(
            LabelCounts(**counts["labels"]),
            Agreement(**counts["agreement"]),
            PictureCounts(**pictures),
            CloudFacts(**counts["clouds"]),
            Repeats(**counts["repeats"]),
        )


def frame_evidence(read: ReadFrame, before: Frame | None = None) -> Evidence:
    """Evidence of one frame, at its original resolution.

    `before`: the same camera's frame of the previous tick, if it was read.
    """
    agreement, pictures = read_agreement(read), picture_counts(read.frame, before)
    repeats = Repeats() if before is None else _repeats(read.frame, before)
    if read.shares_cloud:
        return Evidence(agreement=agreement, pictures=pictures, repeats=repeats)
    sources = np.bincount(read.point_labels.source, minlength=len(LabelSource))
    labels = LabelCounts(
        by_row=int(sources[LabelSource.ROW]),
        by_direction=int(sources[LabelSource.DIRECTION]),
        by_voxel=int(sources[LabelSource.VOXEL]),
        unlabelled=int(sources[LabelSource.NONE]),
    )
    clouds = cloud_facts(read.clouds, read.frame.lidars, read.class_ids_by_lidar)
    return Evidence(labels, agreement, pictures, clouds, repeats)


def _repeats(frame: Frame, before: Frame) -> Repeats:
    same_image, same_cloud = np.array_equal(frame.image, before.image), np.array_equal(frame.points, before.points)
    return Repeats(1, int(same_image), int(same_cloud))
