"""Evidence on whether labels and calibration of frames are right; lib.preprocessing.rules has the limits."""

from dataclasses import dataclass, field

import numpy as np

from lib.geometry.frame import Frame, ScenarioType
from lib.preprocessing.agreement import Agreement, read_agreement
from lib.preprocessing.cloud_facts import CloudFacts, cloud_facts
from lib.preprocessing.neighbour_ticks import TickFit, tick_fit
from lib.preprocessing.pictures import PictureCounts, picture_counts
from lib.preprocessing.summed import Summed
from lib.reading.recorded_frames import LabelSource, ReadFrame


@dataclass(frozen=True)
class LabelCounts(Summed):
    """Number of points by the source of their labels (LabelSource)."""

    by_row: int = 0
    by_direction: int = 0
    by_voxel: int = 0
    unlabelled: int = 0

    @property
    def points(self) -> int:
        """Total number of points."""
        return self.by_row + self.by_direction + self.by_voxel + self.unlabelled


@dataclass(frozen=True)
class Repeats(Summed):
    """Frames whose previous tick was read too (`sequels`), and how many of them have an identical image or cloud."""

    sequels: int = 0
    images: int = 0
    clouds: int = 0


@dataclass(frozen=True)
class Evidence(Summed):
    """Counts over some frames; points and voxels common to the cameras of a tick count once."""

    labels: LabelCounts = field(default_factory=LabelCounts)
    agreement: Agreement = field(default_factory=Agreement)
    pictures: PictureCounts = field(default_factory=PictureCounts)
    clouds: CloudFacts = field(default_factory=CloudFacts)
    repeats: Repeats = field(default_factory=Repeats)
    ticks: TickFit = field(default_factory=TickFit)


def frame_evidence(read: ReadFrame, before: Frame | None = None) -> Evidence:
    """Evidence of one frame, at its original resolution; of an unlabelled one, what its cloud and `before` tell.

    `before`: the same camera's frame of the previous tick, if it was read.
    """
    repeats = Repeats()
    if before is not None:
        same_image = np.array_equal(read.frame.image, before.image)
        repeats = Repeats(1, int(same_image), int(np.array_equal(read.frame.points, before.points)))
    if read.frame.scenario_type is ScenarioType.UNLABELLED:
        return Evidence(clouds=cloud_facts(read.clouds, read.frame.lidars, read.class_ids_by_lidar), repeats=repeats)
    agreement, pictures = read_agreement(read), picture_counts(read.frame, before)
    ticks = TickFit() if before is None else tick_fit(read.frame, before)
    if read.shares_cloud:
        return Evidence(agreement=agreement, pictures=pictures, repeats=repeats, ticks=ticks)
    sources = (LabelSource.ROW, LabelSource.DIRECTION, LabelSource.VOXEL, LabelSource.NONE)
    labels = LabelCounts(*(read.point_labels.count(source) for source in sources))
    clouds = cloud_facts(read.clouds, read.frame.lidars, read.class_ids_by_lidar)
    return Evidence(labels, agreement, pictures, clouds, repeats, ticks)
