"""Scores of a drive's frames as they come, for a robot that looks at each of them once."""

from collections.abc import Callable

import numpy.typing as npt

from lib.detection.detections import Detections
from lib.detection.frame_history import FrameHistory
from lib.detection.input_arrays import frame_of, moving_frame
from lib.geometry.calibration import Calibration
from lib.geometry.frame import Frame, Lidar
from lib.loading.frame_windows import FrameWindow


class DetectionStream:
    """The frames of one camera and its LiDAR in one drive, in the order of time; `AnomalyDetector.stream` makes one.

    The scores of a frame depend on it and on earlier ones alone. No more is kept than the last second.
    """

    def __init__(self, history: FrameHistory, score: Callable[[Frame, FrameWindow], Detections]) -> None:
        self._history, self._score = history, score

    def detect(
        self,
        image: npt.ArrayLike,
        points: npt.ArrayLike,
        calibration: Calibration,
        time_s: float,
        world_SE3_ego: npt.ArrayLike | None,
        lidar: Lidar | None = None,
        vehicle_SE3_lidar: npt.ArrayLike | None = None,
    ) -> Detections:
        """Score the next image and point cloud; the first three and `lidar` as of `AnomalyDetector.detect`.

        time_s: of any clock. world_SE3_ego (4, 4): the vehicle's pose [m] in a frame that stands still, such as
        odometry's; None if unknown: the frame is scored without a past. The vehicle's axes are x ahead, y left, z up,
        its origin is on the road. vehicle_SE3_lidar (4, 4): the LiDAR's pose on it [m]; without it, that of `lidar`, by
        default level, 1.8 m above the origin. Raises DataError for inputs that cannot be, for a time before that of the
        last frame, and for other sensors than its.
        """
        frame = frame_of(image, points, calibration, lidar)
        return self.detect_frame(moving_frame(frame, time_s, world_SE3_ego, vehicle_SE3_lidar))

    def detect_frame(self, frame: Frame) -> Detections:
        """Score the next frame of any reader; without a time or a pose, it is scored without a past.

        Its calibration is not checked. Raises DataError for a time before that of the last frame, and for other
        sensors.
        """
        return self._score(frame, self._history.window(frame))
