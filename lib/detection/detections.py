"""The scores of one frame: alarms, levels, a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lib.export.score_levels import Level, ScoreLevel
from lib.figures.detection_picture import DPI, draw_detections
from lib.figures.gallery import Case
from lib.figures.style import house_style, save
from lib.geometry.frame import Frame
from lib.geometry.rigid import apply


@dataclass(frozen=True, eq=False)
class Detections:
    """Scores of one frame: raw logits, higher = more anomalous.

    frame: what was scored. frame_score: of the whole frame. point_scores (N,) float16: of `frame.points`.
    pixel_scores (H, W) float16: of `frame.image`. thresholds: the lowest scores that are alarms, None where too few
    normal frames were scored to tell. levels: how rare scores are among normal ones.
    """

    frame: Frame
    frame_score: float
    point_scores: npt.NDArray[np.float16]
    pixel_scores: npt.NDArray[np.float16]
    thresholds: Mapping[Level, float | None]
    levels: Mapping[Level, ScoreLevel]

    @cached_property
    def points_in_view(self) -> npt.NDArray[np.bool_]:
        """Which points (N,) the camera sees. Training covers these; others are judged by the LiDAR alone."""
        return self.frame.calibration.project(self.frame.points)[2]

    @property
    def frame_alarm(self) -> bool | None:
        """Whether the frame is an alarm."""
        threshold = self.thresholds["frame"]
        return None if threshold is None else self.frame_score >= threshold

    @property
    def point_alarms(self) -> npt.NDArray[np.bool_]:
        """Which points (N,) are alarms; none without a threshold."""
        return _reach(self.point_scores, self.thresholds["point"])

    @property
    def pixel_alarms(self) -> npt.NDArray[np.bool_]:
        """Which pixels (H, W) are alarms; none without a threshold."""
        return _reach(self.pixel_scores, self.thresholds["pixel"])

    def save_picture(self, path: str | Path) -> None:
        """Write a PNG file: the image with the scores laid over it, and the cloud from above."""
        frame, alarm = self.frame, self.frame_alarm
        threshold = self.thresholds["frame"]
        verdict = "no threshold" if threshold is None else f"threshold {threshold:.2f}"
        case = Case(
            image=frame.image,
            pixel_surprise=self.levels["pixel"].rarity(self.pixel_scores),
            pixel_anomalous=np.zeros(frame.image.shape[:2], dtype=np.bool_),
            depth_m=frame.depth_m,
            points_m=apply(frame.calibration.camera_SE3_lidar, frame.points[:, :3]),
            point_surprise=self.levels["point"].rarity(self.point_scores),
            point_score=self.point_scores,
            point_anomalous=np.zeros(len(frame.points), dtype=np.bool_),
            in_view=self.points_in_view,
            camera=frame.camera,
            caption=(
                f"{frame.scenario}, frame {frame.frame_id}" if frame.scenario else "Detections",
                f"frame score {self.frame_score:.2f} ({verdict}){': ALARM' if alarm else ''}",
                "cross: highest point score in view; dashed: the camera's view",
            ),
        )
        with house_style():
            save(draw_detections(case), Path(path), DPI)


def scores_by_level(detections: Detections) -> dict[Level, npt.NDArray[np.float16]]:
    """The scores that thresholds are taken from: of the frame, of the points in view, of the pixels; each (K,)."""
    return {
        "frame": np.array([detections.frame_score], dtype=np.float16),
        "point": detections.point_scores[detections.points_in_view],
        "pixel": detections.pixel_scores.ravel(),
    }


def _reach(scores: npt.NDArray[np.float16], threshold: float | None) -> npt.NDArray[np.bool_]:
    return np.zeros(scores.shape, dtype=np.bool_) if threshold is None else scores >= threshold
