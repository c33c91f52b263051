"""A trained detector for frames of any camera and LiDAR: the network with all that travels in its file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, get_args

import numpy.typing as npt
import torch
from pydantic import ValidationError

from lib.common.errors import DataError, ParamsError
from lib.common.ticks import SINGLE_FRAME
from lib.detection.detection_stream import DetectionStream
from lib.detection.detections import Detections, scores_by_level
from lib.detection.frame_history import FrameHistory
from lib.detection.input_arrays import frame_of
from lib.detection.sensor_match import range_view_of, scaled_to_training
from lib.export.model_record import ModelRecord, load_record
from lib.export.score_levels import LEVELS, RATES, Level, ScoreLevel, level_of
from lib.geometry.calibration import Calibration
from lib.geometry.frame import Frame, Lidar
from lib.inference.scores import also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, score_batch
from lib.loading.frame_windows import FrameWindow, batch_of_windows, without_past
from lib.metrics.value_counts import ValueCounts
from lib.model.detector import Detector
from lib.model.devices import choose_device, choose_precision
from lib.model.model_file import load_detector
from lib.sensors.sensor_statistics import SensorStatistics
from lib.shards.predictions import to_float16
from lib.tracking.track_params import TrackParams
from lib.views.range_view import RangeGrid

FALSE_ALARMS: Final = 0.01
"""The rate of false alarms for which thresholds are taken if nobody says another."""
Device = Literal["auto", "cpu", "cuda"]


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
    def window(self) -> tuple[int, ...]:
        """Lags [ticks of 0.1 s] of the frames that the detector looks at; (0,): each frame by itself."""
        return self.network.config.window

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
        """Score an image and a point cloud by themselves: as without a past, where the detector has a window.

        image (H, W, 3) uint8 RGB, without distortion. points (N, 3 or 4): x, y, z [m] in the LiDAR's frame with z up,
        then intensity from 0 to 1 (0 without). calibration: of the camera, and its pose from the LiDAR's frame, which
        the cloud must agree with: some points are in view. lidar: the scan pattern; without it, its rings are found in
        the cloud. Raises DataError for inputs that cannot be.
        """
        return self.detect_frame(frame_of(image, points, calibration, lidar))

    def detect_frame(self, frame: Frame) -> Detections:
        """Score a frame of any reader by itself; its calibration is not checked."""
        return self.score([frame], self.range_view(frame))[0]

    def stream(self) -> DetectionStream:
        """Score the frames of a drive as they come, each with what came before it as far as the detector looks at that.

        Raises DataError where the model file does not say how a vehicle ahead is followed.
        """
        return DetectionStream(
            self.history(),
            lambda frame, window: self.score_windows([frame], [window], self.range_view(frame))[0],
        )

    def history(self, followed: bool = True) -> FrameHistory:
        """What `stream` keeps of the past; `followed`: also of the vehicle ahead. Raises DataError as `stream`."""
        track = _track_params(self.record) if followed and self.window != SINGLE_FRAME else None
        return FrameHistory(self.window, track, self.trained_sensors)

    def range_view(self, frame: Frame) -> RangeGrid:
        """The layout of the range view for the LiDAR of a frame: the training's where it fits."""
        return range_view_of(frame, self.trained_sensors, self.network.config.grid())

    def score(self, frames: Sequence[Frame], range_view: RangeGrid) -> list[Detections]:
        """Score frames of the same camera and LiDAR together, each by itself. On a CPU, scores do not depend on the
        number of threads, but frames scored together may differ from frames scored alone in the last bits.
        """
        scaled = (scaled_to_training(frame, self.trained_sensors) for frame in frames)
        return self.score_windows(frames, [without_past(frame, self.window) for frame in scaled], range_view)

    def score_windows(
        self, frames: Sequence[Frame], windows: Sequence[FrameWindow], range_view: RangeGrid
    ) -> list[Detections]:
        """Score frames as `score` does, with what came before them: the windows of `FrameHistory`, one for each."""
        if not frames:
            return []
        batch = batch_of_windows(windows, self.window).to(self._scoring.device)
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


def _track_params(record: ModelRecord) -> TrackParams:
    """How the vehicle ahead was followed for the training; raises DataError."""
    try:
        return TrackParams.model_validate(record.params.get("track"))
    except ValidationError:
        raise DataError(
            "the model looks at a past, but its file does not say how the vehicle ahead is followed (section `track`); "
            "write it anew by `dvc repro export`"
        ) from None
