"""Tracks of a shard: the vehicle ahead in each of its frames."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.ticks import TICKS_PER_SECOND
from lib.geometry.merged import in_vehicle_frame
from lib.shards.sequences import NO_FRAME, ticks_of
from lib.shards.shard_reader import Shard
from lib.shards.tracks import Tracks
from lib.tracking.track_params import TrackParams
from lib.tracking.tracker import NO_LEAD, LeadState, LeadTracker

_LEAST_WITH_POSE: Final = 0.5


def is_posed(shard: Shard) -> bool:
    """Whether so many of a shard's frames have a pose that a vehicle ahead can be followed."""
    return float(_posed(shard).mean()) >= _LEAST_WITH_POSE


def tracks_of(shard: Shard, params: TrackParams) -> Tracks:
    """The vehicle ahead in the frames of a sequence, each judged by itself and those at earlier ticks.

    Frames off the grid of ticks and frames without a pose are not judged; a tick's second frame takes over what was
    found in its first one, without points. Raises DataError where most frames have no pose.
    """
    ticks = ticks_of(shard)
    assert ticks is not None, "is_sequence says which shards have times"
    posed = _posed(shard)
    if not is_posed(shard):
        raise DataError(
            f"{shard.path}: {len(posed) - posed.sum()} of {len(posed)} frames of {shard.scenario} have no pose, so the "
            "motion of the vehicle ahead cannot be told from the ego's; add the ACTION files to data.root, or set "
            "preprocess.poses=odometry"
        )
    tracker = LeadTracker(params)
    states = [NO_LEAD] * len(shard)
    last_tick, last_index = NO_FRAME, NO_FRAME
    for index in np.argsort(ticks, kind="stable").tolist():
        tick = int(ticks[index])
        if tick == NO_FRAME or not posed[index]:
            continue
        if tick == last_tick:
            states[index] = replace(states[last_index], rows=NO_LEAD.rows)
            continue
        points_m = in_vehicle_frame(shard.points[index, : shard.num_points[index]], shard.lidars)
        states[index] = tracker.update(tick / TICKS_PER_SECOND, points_m, shard.world_SE3_ego[index])
        last_tick, last_index = tick, index
    return _tracks(shard, states, shard.lidars[0].location[0])


def _posed(shard: Shard) -> npt.NDArray[np.bool_]:
    """Which frames (F,) have a pose."""
    return np.asarray(np.isfinite(shard.world_SE3_ego).all(axis=(1, 2)))


def _tracks(shard: Shard, states: list[LeadState], lidar_x_m: float) -> Tracks:
    counts = [len(state.rows) for state in states]
    return Tracks(
        scenario=shard.scenario,
        shard_fingerprint=shard.fingerprint,
        frame_id=np.array(shard.frame_id),
        frame_score=np.array([state.score for state in states], dtype=np.float16),
        range_m=np.array([state.range_m - lidar_x_m for state in states], dtype=np.float32),
        speed_mps=np.array([state.speed_mps for state in states], dtype=np.float32),
        acceleration_mps2=np.array([state.acceleration_mps2 for state in states], dtype=np.float32),
        places_m=np.array([state.places_m for state in states], dtype=np.float32),
        points_flat=np.concatenate([state.rows for state in states]),
        point_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )
