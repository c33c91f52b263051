"""A trained detector for frames of any camera and LiDAR: the network with all that travels in its file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from lib.common.errors import DataError, ParamsError
from lib.detection.sensor_match import range_view_of, scaled_to_training
from lib.export.model_record import ModelRecord, load_record
from lib.export.score_levels import LEVELS, RATES, Level, ScoreLevel, level_of
from lib.figures.detection_picture import DPI, draw_detections
from lib.figures.gallery import Case
from lib.figures.style import house_style, save
from lib.geometry.axes import check_view, rigid
from lib.geometry.calibration import Calibration
from lib.geometry.frame import Frame, Lidar
from lib.geometry.rigid import apply
from lib.geometry.rings import find_lidar
from lib.inference.scores import also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, score_batch
from lib.loading.dataset import batch_of
from lib.metrics.value_counts import ValueCounts
from lib.model.detector import Detector
from lib.model.devices import choose_device, choose_precision
from lib.model.model_file import load_detector
from lib.reading.file_errors import MAX_COORDINATE_M
from lib.reading.recorded_frames import unlabelled_frame
from lib.sensors.sensor_statistics import SensorStatistics
from lib.shards.predictions import to_float16
from lib.views.range_view import RangeGrid

FALSE_ALARMS: Final = 0.01
"""The rate of false alarms for which thresholds are taken if nobody says another."""
UNKNOWN_RANGE_M: Final = 120.0
Device = Literal["auto", "cpu", "cuda"]


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


class AnomalyDetector:
    """A detector for frames of any camera and LiDAR; `load` makes one of a model file.

    network: the torch module. record: what travels with it (docs/model.md). levels: thresholds by rate of false alarms,
    at first from the validation frames of the training.
    """

    def __init__(
        self,
        network: Detector,
        record: ModelRecord,
        false_alarms: float = FALSE_ALARMS,
        levels: Mapping[Level, ScoreLevel] | None = None,
    ) -> None:
        self.network, self.record, self.false_alarms = network, record, false_alarms
        self.levels: Mapping[Level, ScoreLevel] = record.levels if levels is None else levels
        config, device = network.config, next(network.parameters()).device
        params = for_sensors(record.predict, config.fusion)
        scorer = also_without_image(network, config.fuses, params)
        precision = choose_precision(params.precision, device)
        self._scoring = Scoring(scorer, config.grid(), params, device, precision, record.outside_shift)

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._scoring.device

    @property
    def trained_sensors(self) -> SensorStatistics:
        """What the sensors of the training delivered."""
        return self.record.trained_on.sensors

    @property
    def thresholds(self) -> dict[Level, float | None]:
        """The lowest scores that are alarms, for the rate `false_alarms` or the next higher one that can be told."""
        found = {level: self.levels[level].threshold(self.false_alarms) for level in LEVELS}
        return {level: None if threshold is None else threshold.score for level, threshold in found.items()}

    def detect(
        self,
        image: npt.ArrayLike,
        points: npt.ArrayLike,
        calibration: Calibration,
        lidar: Lidar | None = None,
    ) -> Detections:
        """Score an image and a point cloud.

        image (H, W, 3) uint8 RGB, without distortion. points (N, 3 or 4): x, y, z [m] in the LiDAR's frame with z up,
        then intensity from 0 to 1 (0 without). calibration: of the camera, and its pose from the LiDAR's frame, which
        the cloud must agree with: some points are in view. lidar: the scan pattern; without it, its rings are found in
        the cloud. Raises DataError for inputs that cannot be.
        """
        return self.detect_frame(_frame(image, points, calibration, lidar))

    def detect_frame(self, frame: Frame) -> Detections:
        """Score a frame of any reader, whose calibration is not checked."""
        return self.score([frame], self.range_view(frame))[0]

    def range_view(self, frame: Frame) -> RangeGrid:
        """The layout of the range view for the LiDAR of a frame: the training's where it fits."""
        return range_view_of(frame, self.trained_sensors, self.network.config.grid())

    def score(self, frames: Sequence[Frame], range_view: RangeGrid) -> list[Detections]:
        """Score frames of the same camera and LiDAR together. On a CPU, scores do not depend on the number of threads,
        but frames scored together may differ from frames scored alone in the last bits.
        """
        if not frames:
            return []
        scaled = [scaled_to_training(frame, self.trained_sensors) for frame in frames]
        batch = batch_of(scaled).to(self._scoring.device)
        scores = score_batch(replace(self._scoring, grid=range_view), batch)
        if not all(bool(scored.isfinite().all()) for scored in (scores.point_BP, scores.pixel_BHW, scores.frame_B)):
            raise DataError(
                f"{frames[0].scenario}: the scores of frame {frames[0].frame_id} or one after are not finite"
            )
        pixel_BHW = scores.pixel_BHW
        if pixel_BHW.shape[1:] != frames[0].image.shape[:2]:
            size = frames[0].image.shape[:2]
            pixel_BHW = torch.nn.functional.interpolate(pixel_BHW[:, None], size, mode="bilinear")[:, 0]
        return [
            Detections(
                frame=frame,
                frame_score=float(to_float16(scores.frame_B[row].numpy())),
                point_scores=to_float16(scores.point_BP[row, : len(frame.points)].numpy()),
                pixel_scores=to_float16(pixel_BHW[row].numpy()),
                thresholds=self.thresholds,
                levels=self.levels,
            )
            for row, frame in enumerate(frames)
        ]

    def with_thresholds_of(self, normal: Iterable[Detections]) -> "AnomalyDetector":
        """The same detector with thresholds from normal frames of the target sensors, which it has scored."""
        counts: dict[Level, ValueCounts] = {level: ValueCounts() for level in LEVELS}
        for detections in normal:
            for level, scores in scores_by_level(detections).items():
                counts[level].add(0, scores)
        levels = {level: level_of(count) for level, count in counts.items()}
        return AnomalyDetector(self.network, self.record, self.false_alarms, levels)


def load(path: str | Path, device: Device = "auto", false_alarms: float = FALSE_ALARMS) -> AnomalyDetector:
    """Load the file of `export`, ready to detect.

    false_alarms: the share of normal frames, points and pixels that may be alarms: 0.1, 0.05, 0.01 or 0.001. Raises
    DataError for a file that is missing, damaged, or no detector with its record, and ParamsError for another share or
    a GPU that is not there.
    """
    if device not in get_args(Device):
        raise ParamsError(f"device: got {device!r}; accepted are {', '.join(get_args(Device))}")
    if false_alarms not in RATES:
        raise ParamsError(f"false_alarms: got {false_alarms!r}; thresholds exist for {', '.join(map(str, RATES))}")
    chosen = choose_device(device, option="device")
    network = load_detector(Path(path)).to(chosen).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return AnomalyDetector(network, load_record(Path(path)), false_alarms)


def scores_by_level(detections: Detections) -> dict[Level, npt.NDArray[np.float16]]:
    """The scores that thresholds are taken from: of the frame, of the points in view, of the pixels; each (K,)."""
    return {
        "frame": np.array([detections.frame_score], dtype=np.float16),
        "point": detections.point_scores[detections.points_in_view],
        "pixel": detections.pixel_scores.ravel(),
    }


def _reach(scores: npt.NDArray[np.float16], threshold: float | None) -> npt.NDArray[np.bool_]:
    return np.zeros(scores.shape, dtype=np.bool_) if threshold is None else scores >= threshold


def _frame(image: npt.ArrayLike, points: npt.ArrayLike, calibration: Calibration, lidar: Lidar | None) -> Frame:
    """The inputs of `detect` as a frame; raises DataError."""
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
