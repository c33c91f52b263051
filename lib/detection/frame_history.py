"""What a detector with a window remembers of a drive: the frames at its lags, and where the vehicle ahead was."""

from dataclasses import replace
from typing import Final

import numpy as np

from lib.common.errors import DataError
from lib.common.ticks import HISTORY_TICKS, SINGLE_FRAME, TICKS_PER_SECOND
from lib.detection.sensor_match import scaled_to_training
from lib.geometry.frame import Frame
from lib.geometry.merged import in_vehicle_frame
from lib.loading.frame_windows import FrameWindow, SeenFrame, without_past
from lib.sensors.sensor_statistics import SensorStatistics
from lib.shards.sequences import NO_FRAME, TickClock
from lib.tracking.track_params import TrackParams
from lib.tracking.tracker import NO_LEAD, LeadState, LeadTracker

ANEW_S: Final = HISTORY_TICKS / TICKS_PER_SECOND
"""After so long without a frame on the grid of ticks, nothing that is kept is of use: the next frame begins anew."""


class FrameHistory:
    """The past of one camera and its LiDAR, frame by frame: what the stages `track` and `predict` know of a shard.

    track: how the vehicle ahead is followed, None: not at all. trained: the sensors of the training, to whose size
    images are scaled.
    """

    def __init__(self, lags: tuple[int, ...], track: TrackParams | None, trained: SensorStatistics) -> None:
        self._lags, self._track, self._trained = lags, track, trained
        self._last: Frame | None = None
        self._forget()

    def window(self, frame: Frame) -> FrameWindow:
        """Take in the next frame, and say what came before it.

        A frame without a time or pose, or off the grid of ticks, has no past. Raises DataError, and takes nothing in,
        if its time is before that of the last frame, or if it is of other sensors.
        """
        self._check(frame)
        scaled = scaled_to_training(frame, self._trained)
        if frame.time_s is not None:
            self._last = frame
        if self._lags == SINGLE_FRAME or frame.time_s is None:
            return without_past(scaled, self._lags)
        tick = self._tick(frame.time_s)
        if tick == NO_FRAME:
            return without_past(scaled, self._lags)
        lead = self._lead(tick, frame)
        now = SeenFrame(scaled, lead.rows)
        for past in [past for past in self._seen if past < tick - max(self._lags)]:
            del self._seen[past]
        self._seen.setdefault(tick, now)
        earlier = tuple(self._earlier(tick - lag) if _is_posed(frame) else None for lag in self._lags[1:])
        return FrameWindow(now, earlier, lead.places_m.astype(np.float32))

    def _check(self, frame: Frame) -> None:
        """Raise DataError where a frame cannot follow the last one."""
        last = self._last
        if last is None or last.time_s is None or frame.time_s is None:
            return
        if frame.time_s < last.time_s:
            raise DataError(
                f"the time goes back from {last.time_s:.3f} to {frame.time_s:.3f} s; give the frames of a drive in "
                "their order, and begin a new stream for another drive"
            )
        if self._lags != SINGLE_FRAME and not _same_sensors(frame, last):
            raise DataError(
                "the calibration, or the LiDAR's place on the vehicle, is another one than that of the last frame; "
                "begin a new stream for other sensors"
            )

    def _forget(self) -> None:
        self._clock: TickClock | None = None
        self._seen: dict[int, SeenFrame] = {}
        self._tracker = None if self._track is None else LeadTracker(self._track)
        self._found: tuple[int, LeadState] = (NO_FRAME, NO_LEAD)

    def _tick(self, time_s: float) -> int:
        """The tick of the next frame."""
        if self._clock is not None:
            tick = self._clock.tick(time_s)
            if tick != NO_FRAME or time_s - self._clock.last_s <= ANEW_S:
                return tick
            self._forget()
        self._clock = TickClock(time_s)
        return self._clock.tick(time_s)

    def _earlier(self, tick: int) -> SeenFrame | None:
        """The first frame of an earlier tick, if its pose is known."""
        seen = self._seen.get(tick)
        return seen if seen is not None and _is_posed(seen.frame) else None

    def _lead(self, tick: int, frame: Frame) -> LeadState:
        """The vehicle ahead; a tick's second frame takes over what was found in its first one, without points."""
        if self._tracker is None or frame.world_SE3_ego is None:
            return NO_LEAD
        last_tick, found = self._found
        if tick == last_tick:
            return replace(found, rows=NO_LEAD.rows)
        points_m = in_vehicle_frame(frame.points, frame.lidars)
        found = self._tracker.update(tick / TICKS_PER_SECOND, points_m, frame.world_SE3_ego)
        self._found = tick, found
        return found


def _is_posed(frame: Frame) -> bool:
    return frame.world_SE3_ego is not None


def _same_sensors(frame: Frame, other: Frame) -> bool:
    """Whether camera and LiDARs are calibrated and placed alike; how many rings a LiDAR shows may change."""
    places, others = ([(lidar.location, lidar.rotation) for lidar in each.lidars] for each in (frame, other))
    return frame.calibration == other.calibration and places == others
